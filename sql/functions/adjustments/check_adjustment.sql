-- The amount of an adjustment and, for an undo, the write-off that it takes back. Refuses with EV004 what can't be
-- right now. The caller has locked the statement, a connector statement in this currency.
create or replace function billing.check_adjustment(
    p_kind text, p_statement_id text, p_amount_minor bigint, p_currency text, p_paid_on date,
    out amount_minor bigint, out reverses_id bigint)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    v_statement billing.statement;
    v_balance bigint := billing.balance_minor(p_statement_id);
    v_most bigint;
    v_written_off record;
    v_payment text;
begin
    select * into strict v_statement from billing.statement s where s.statement_id = p_statement_id;
    perform billing.require_nothing_under_way(p_statement_id);
    select a.adjustment_id, a.amount_minor into v_written_off from billing.adjustment a
    where a.statement_id = p_statement_id and a.kind = 'write_off' and not exists (
        select from billing.adjustment r where r.reverses_id = a.adjustment_id)
    order by a.adjustment_id desc limit 1;
    if p_kind = 'undo_write_off' then
        if v_written_off.adjustment_id is null then
            raise exception 'nothing of % is written off', p_statement_id
                using errcode = 'EV004', hint = 'see finance.adjustments';
        end if;
        reverses_id := v_written_off.adjustment_id;
        v_most := v_written_off.amount_minor;
    elsif v_written_off.adjustment_id is not null and (p_kind <> 'write_off' or v_balance <= 0) then
        raise exception '% is written off', p_statement_id
            using errcode = 'EV004', hint = 'undo the write-off first';
    elsif p_kind = 'write_off' then
        if v_balance <= 0 then
            raise exception '% is paid: nothing is due on it', p_statement_id
                using errcode = 'EV004', hint = 'see its payments in finance.payments';
        end if;
        select min(u.gateway_payment_id) into v_payment from billing.unaccounted_payments(array[p_statement_id]) u;
        if v_payment is not null then
            raise exception 'the gateway has collected payment % for %, which isn''t recorded', v_payment, p_statement_id
                using errcode = 'EV004', hint = 'mark it as paid with the payment''s id as reference';
        end if;
        v_most := v_balance;
    elsif p_kind = 'refund_outside' then
        if v_balance >= 0 then
            raise exception '% has no credit to be sent back', p_statement_id
                using errcode = 'EV004', hint = 'credit it first, then send the credit back';
        end if;
        perform billing.require_returns_acknowledged(p_statement_id);
        select min(g.gateway_payment_id) into v_payment
        from billing.gateway_payment g join billing.payment_attempt a using (gateway_payment_id)
        where a.statement_id = p_statement_id and a.outcome = 'succeeded' and g.dispute = 'opened';
        if v_payment is not null then
            raise exception 'payment % of % is disputed', v_payment, p_statement_id
                using errcode = 'EV004', hint = 'wait for the bank''s decision: a lost dispute gives the money back too';
        end if;
        if p_paid_on is null or p_paid_on > ((clock_timestamp() at time zone 'UTC') + interval '14 hours')::date
           or p_paid_on < v_statement.statement_date - interval '1 year' then
            raise exception 'paid_on is %', coalesce(p_paid_on::text, 'not given')
                using errcode = 'EV004', hint = 'give the day on which it was sent, from the year before the statement to today';
        end if;
        v_most := -v_balance;
    elsif p_kind = 'goodwill' then
        select v_statement.total_minor
               + (select coalesce(sum(c.total_minor), 0) from billing.statement c
                  where c.corrects_statement_id = p_statement_id)
               - (select coalesce(sum(t.amount_minor), 0) from billing.transfer t
                  where t.statement_id = p_statement_id and t.kind = 'goodwill') into v_most;
    end if;
    amount_minor := coalesce(p_amount_minor, case when p_kind not in ('goodwill', 'extra_debit') then v_most end);
    if coalesce(amount_minor, 0) <= 0 then
        raise exception 'the amount is %', coalesce(amount_minor::text, 'not given')
            using errcode = 'EV004', hint = 'give an amount above zero';
    end if;
    if amount_minor > coalesce(v_most, 1000000000000) then
        raise exception '% % is more than the % % that can be adjusted on %',
            billing.major(amount_minor, v_statement.minor_unit), p_currency,
            billing.major(greatest(coalesce(v_most, 1000000000000), 0), v_statement.minor_unit), p_currency,
            p_statement_id using errcode = 'EV004', hint = 'give at most that';
    end if;
    if p_kind in ('write_off', 'undo_write_off') and amount_minor <> v_most then
        raise exception '% is written off, and the write-off undone, as a whole: % %', p_statement_id,
            billing.major(v_most, v_statement.minor_unit), p_currency
            using errcode = 'EV004', hint = 'leave the amount out';
    end if;
end
$$;
