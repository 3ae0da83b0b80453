-- Opens the refund of a recorded payment of a statement; the caller commits before it calls the gateway. p_payment_id
-- null: of the statement's only payment of which something is left. p_amount_minor null: the statement's credit or, if
-- p_is_due_again, all that is left of the payment and wasn't sent back by other ways. Without p_is_due_again at most
-- the credit is given back. Returns the refund, or the number of the request that it is recorded as until a second
-- person carries it out. The same request again is the same refund. Refuses with EV004 what can't be right.
create or replace function billing.open_refund(
    p_request_id text, p_statement_id text, p_payment_id text, p_amount_minor bigint, p_currency text,
    p_is_due_again boolean, p_approves bigint, p_actor text, p_reason text,
    out refund_id bigint, out payment_id text, out amount_minor bigint, out request_no bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    v_statement billing.statement;
    v_refund billing.refund_attempt;
    v_payment record;
    v_credit bigint;
    v_paid bigint;
    v_most bigint;
begin
    perform billing.require_no_hold();
    v_statement := billing.lock_connector_statement(
        p_statement_id, 'refund a payment of the connector statement that it lists', coalesce(p_currency, 'no currency'));
    select * into v_refund from billing.refund_attempt r where r.request_id = p_request_id;
    if v_refund.refund_id is not null then
        if v_refund.statement_id <> p_statement_id or v_refund.gateway_payment_id <> p_payment_id
           or v_refund.amount_minor <> p_amount_minor or v_refund.is_due_again <> p_is_due_again then
            raise exception 'the request % was for something else already', p_request_id
                using errcode = 'EV004', hint = 'make a new request for each refund';
        end if;
        refund_id := v_refund.refund_id;
        payment_id := v_refund.gateway_payment_id;
        amount_minor := v_refund.amount_minor;
        return;
    end if;
    perform billing.require_nothing_under_way(p_statement_id);
    if exists (select from billing.receivable r where r.statement_id = p_statement_id and r.last_way = 'write_off') then
        raise exception '% is written off', p_statement_id
            using errcode = 'EV004', hint = 'undo the write-off first';
    end if;
    perform billing.require_returns_acknowledged(p_statement_id);
    -- What is left of each recorded payment, by our record and as the gateway was last listed.
    select count(*) as payments, string_agg(p.gateway_payment_id, ', ') as listed,
           min(p.gateway_payment_id) as gateway_payment_id, min(p.attempt_id) as attempt_id,
           min(p.left_minor) as left_minor
    into v_payment
    from (
        select a.gateway_payment_id, a.attempt_id,
               least(a.amount_minor - (select coalesce(sum(r.amount_minor), 0) from billing.payment_return r
                                       where r.attempt_id = a.attempt_id),
                     (select l.kept_minor from billing.listed_payment l
                      where l.gateway_payment_id = a.gateway_payment_id and l.is_its_own)) as left_minor
        from billing.payment_attempt a
        where a.statement_id = p_statement_id and a.outcome = 'succeeded'
          and (p_payment_id is null or a.gateway_payment_id = p_payment_id)) p
    where p.left_minor > 0;
    if v_payment.payments = 0 then
        raise exception '% has no payment at the gateway of which something is left%', p_statement_id,
            coalesce(', named ' || p_payment_id, '')
            using errcode = 'EV004', hint = 'see its payments in finance.payments';
    elsif v_payment.payments > 1 then
        raise exception '% has several payments at the gateway: %', p_statement_id, v_payment.listed
            using errcode = 'EV004', hint = 'name the payment';
    end if;
    if exists (select from billing.gateway_payment g
               where g.gateway_payment_id = v_payment.gateway_payment_id and g.dispute = 'opened') then
        raise exception 'payment % of % is disputed', v_payment.gateway_payment_id, p_statement_id
            using errcode = 'EV004', hint = 'answer the dispute in the gateway''s dashboard: the bank decides';
    end if;
    v_credit := greatest(-billing.balance_minor(p_statement_id), 0);
    v_paid := (select r.paid_minor from billing.receivable r where r.statement_id = p_statement_id);
    v_most := case when p_is_due_again then least(v_payment.left_minor, v_paid)
                   else least(v_payment.left_minor, v_credit) end;
    amount_minor := coalesce(p_amount_minor, v_most);
    if v_paid <= 0 then
        raise exception 'all that was paid on % was sent back already', p_statement_id
            using errcode = 'EV004', hint = 'see its payments in finance.payments';
    elsif amount_minor <= 0 then
        raise exception '% has no credit to be refunded', p_statement_id
            using errcode = 'EV004', hint = 'credit it first, or say that the debt is due again';
    elsif amount_minor > v_most then
        raise exception '% % is more than the % % that can be refunded of % on %',
            billing.major(amount_minor, v_statement.minor_unit), p_currency,
            billing.major(v_most, v_statement.minor_unit), p_currency,
            v_payment.gateway_payment_id, p_statement_id
            using errcode = 'EV004', hint = 'give at most that; credit more first, or say that the debt is due again';
    end if;
    payment_id := v_payment.gateway_payment_id;
    request_no := billing.ask_second_person(
        p_request_id, case when p_is_due_again then 'refund_due_again' else 'refund' end, p_statement_id, amount_minor,
        jsonb_build_object('reference', payment_id), p_approves, p_actor, p_reason);
    if request_no is not null then
        return;
    end if;
    insert into billing.refund_attempt as n (
        request_id, attempt_id, statement_id, gateway_payment_id, amount_minor, currency, minor_unit, is_due_again,
        idempotency_key, approves, actor, reason)
    select p_request_id, v_payment.attempt_id, p_statement_id, payment_id, amount_minor, p_currency, v_statement.minor_unit,
           p_is_due_again,
           concat_ws('/', 'evbilling', i.installation_id,
                     (select h.key_mark from billing.charging_hold h order by h.hold_id desc limit 1), 'refund',
                     p_statement_id,
                     (select count(*) + 1 from billing.refund_attempt k where k.statement_id = p_statement_id)),
           p_approves, p_actor, p_reason
    from billing.installation i
    on conflict do nothing returning n.refund_id into refund_id;
    if refund_id is null then
        raise exception 'request % was carried out already', coalesce(p_approves::text, p_request_id)
            using errcode = 'EV004', hint = 'see finance.adjustments';
    end if;
    insert into billing.audit_event (actor, action, subject_id, reason)
    values (p_actor, 'refund_payment', p_statement_id, p_reason);
end
$$;
