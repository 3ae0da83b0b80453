-- Takes back a payment that was marked as paid by mistake: the whole of it, once. p_paid_outside_id null: the
-- statement's only one that isn't undone yet. Returns its id, its amount, and whether the undo is new (the same
-- request again is not). What is due again is marked as to be planned. Refuses with EV004 what can't be right.
create or replace function billing.reverse_paid_outside(
    p_request_id text, p_statement_id text, p_paid_outside_id bigint, p_actor text, p_reason text,
    out paid_outside_id bigint, out amount_minor bigint, out is_new boolean)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    v_payment billing.paid_outside;
    v_reversal billing.paid_outside_reversal;
    v_standing bigint[];
    v_listed text;
begin
    perform billing.lock_connector_statement(
        p_statement_id, 'undo the payment of the connector statement that it lists');
    select * into v_reversal from billing.paid_outside_reversal r where r.request_id = p_request_id;
    is_new := v_reversal.reversal_id is null;
    if is_new then
        select array_agg(o.paid_outside_id order by o.paid_outside_id),
               string_agg(format('paid-outside-%s (%s %s on %s, %s)', o.paid_outside_id,
                                 billing.major(o.amount_minor, o.minor_unit), o.currency,
                                 o.paid_on, o.reference), '; ' order by o.paid_outside_id)
        into v_standing, v_listed
        from billing.paid_outside o
        where o.statement_id = p_statement_id and not exists (
            select from billing.paid_outside_reversal r where r.paid_outside_id = o.paid_outside_id);
        if p_paid_outside_id is not null then
            select * into v_payment from billing.paid_outside o
            where o.paid_outside_id = p_paid_outside_id and o.statement_id = p_statement_id;
            if v_payment.paid_outside_id is null then
                raise exception 'paid-outside-% is no payment of %', p_paid_outside_id, p_statement_id
                    using errcode = 'EV004', hint = 'see its payments in finance.payments';
            end if;
            select * into v_reversal from billing.paid_outside_reversal r where r.paid_outside_id = p_paid_outside_id;
            if v_reversal.reversal_id is not null then
                raise exception 'paid-outside-% of % was undone already, by % on %', p_paid_outside_id, p_statement_id,
                    v_reversal.actor, to_char(v_reversal.recorded_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')
                    using errcode = 'EV004', hint = 'nothing is left to do';
            end if;
        elsif v_standing is null then
            raise exception 'no payment of % is marked as paid, or all are undone', p_statement_id
                using errcode = 'EV004', hint = 'see its payments in finance.payments; refund there what the gateway collected';
        elsif cardinality(v_standing) > 1 then
            raise exception '% was marked as paid % times: %', p_statement_id, cardinality(v_standing), v_listed
                using errcode = 'EV004', hint = 'name the payment to undo';
        else
            select * into v_payment from billing.paid_outside o where o.paid_outside_id = v_standing[1];
        end if;
        perform billing.require_nothing_under_way(p_statement_id);
        -- The gateway collected this payment for the statement and we booked it by hand: it would be charged twice.
        if exists (select from billing.listed_payment l
                   where l.gateway_payment_id = v_payment.reference and l.currency = v_payment.currency
                     and coalesce(l.statement_id = p_statement_id, true) and l.kept_minor > 0) then
            raise exception 'the gateway has collected paid-outside-% of %: it is its payment %', v_payment.paid_outside_id,
                p_statement_id, v_payment.reference
                using errcode = 'EV004', hint = 'refund it there first, and run payment_reconciliation';
        end if;
        if v_payment.amount_minor > (select r.paid_minor from billing.receivable r
                                     where r.statement_id = p_statement_id) then
            raise exception 'money of paid-outside-% of % was sent back to the customer: undone, more would be sent back '
                'than was ever paid', v_payment.paid_outside_id, p_statement_id
                using errcode = 'EV004',
                      hint = 'leave it marked; what was sent back by mistake is billed by adjust_statement, an extra debit';
        end if;
        insert into billing.paid_outside_reversal (request_id, paid_outside_id, statement_id, actor, reason)
        values (p_request_id, v_payment.paid_outside_id, p_statement_id, p_actor, p_reason)
        on conflict (request_id) do nothing returning * into v_reversal;
        if v_reversal.reversal_id is null then
            -- The same request for another statement came first.
            select * into v_reversal from billing.paid_outside_reversal r where r.request_id = p_request_id;
            is_new := false;
        end if;
    end if;
    if not is_new and (v_reversal.statement_id <> p_statement_id
                       or v_reversal.paid_outside_id <> p_paid_outside_id) then
        raise exception 'the request % was for another payment already', p_request_id
            using errcode = 'EV004', hint = 'make a new request for each payment';
    end if;
    select * into strict v_payment from billing.paid_outside o where o.paid_outside_id = v_reversal.paid_outside_id;
    paid_outside_id := v_payment.paid_outside_id;
    amount_minor := v_payment.amount_minor;
    if is_new then
        insert into billing.transfer (kind, statement_id, debit_account, credit_account, amount_minor, currency, paid_outside_id)
        values ('paid_outside_reversal', p_statement_id, 'receivable', 'paid_outside', v_payment.amount_minor,
                v_payment.currency, v_payment.paid_outside_id);
        if billing.balance_minor(p_statement_id) > 0 then
            perform billing.plan_later(array[p_statement_id], 'a payment marked by mistake was undone');
        end if;
        insert into billing.audit_event (actor, action, subject_id, reason)
        values (p_actor, 'undo_mark_as_paid', p_statement_id, p_reason);
    end if;
end
$$;
