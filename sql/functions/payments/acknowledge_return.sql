-- Acknowledges what the gateway gave back of a payment, all that isn't acknowledged yet. p_payment_id null: of the
-- statement's only such payment. The debt is due again, and marked as to be planned; or, if not p_is_due_again, given
-- up. Returns the return's id, payment, amount and cause, and whether it is new (the same request again is not).
-- Refuses with EV004 what can't be right.
create or replace function billing.acknowledge_return(
    p_request_id text, p_statement_id text, p_payment_id text, p_is_due_again boolean, p_actor text, p_reason text,
    out return_id bigint, out payment_id text, out amount_minor bigint, out cause text, out is_new boolean)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    v_statement billing.statement;
    v_return billing.payment_return;
    v_found record;
    v_count integer;
    v_listed text;
begin
    v_statement := billing.lock_connector_statement(
        p_statement_id, 'acknowledge it on the connector statement that it lists');
    select * into v_return from billing.payment_return r where r.request_id = p_request_id;
    is_new := v_return.return_id is null;
    if is_new then
        perform billing.require_nothing_under_way(p_statement_id);
        select count(*), string_agg(r.gateway_payment_id, ', ') into v_count, v_listed
        from billing.returned_payments(array[p_statement_id]) r
        where p_payment_id is null or r.gateway_payment_id = p_payment_id;
        if v_count = 0 then
            raise exception 'nothing is to be acknowledged on %: the gateway has given back no payment of it%',
                p_statement_id, coalesce(' named ' || p_payment_id, '') || ', or another of its payments makes up for it'
                using errcode = 'EV004', hint = 'run payment_reconciliation, which lists the gateway anew';
        elsif v_count > 1 then
            raise exception 'the gateway has given back % payments of %: %', v_count, p_statement_id, v_listed
                using errcode = 'EV004', hint = 'name the payment';
        end if;
        if not p_is_due_again and billing.balance_minor(p_statement_id) < 0 then
            raise exception '% has a credit of % %, which what was given back uses up first', p_statement_id,
                billing.major(-billing.balance_minor(p_statement_id), v_statement.minor_unit), v_statement.currency
                using errcode = 'EV004',
                      hint = 'choose due_again, and write off what is due then; credited, the customer would have it twice';
        end if;
        select * into v_found from billing.returned_payments(array[p_statement_id]) r
        where p_payment_id is null or r.gateway_payment_id = p_payment_id;
        insert into billing.payment_return (
            request_id, attempt_id, statement_id, gateway_payment_id, amount_minor, currency, minor_unit, cause,
            is_due_again, actor, reason)
        values (p_request_id, v_found.attempt_id, p_statement_id, v_found.gateway_payment_id, v_found.minor,
                v_found.currency, v_statement.minor_unit, v_found.cause, p_is_due_again, p_actor, p_reason)
        on conflict (request_id) do nothing returning * into v_return;
        if v_return.return_id is null then
            -- The same request for another statement came first.
            select * into v_return from billing.payment_return r where r.request_id = p_request_id;
            is_new := false;
        end if;
    end if;
    if not is_new and (v_return.statement_id <> p_statement_id or v_return.gateway_payment_id <> p_payment_id
                       or v_return.is_due_again <> p_is_due_again) then
        raise exception 'the request % was for something else already', p_request_id
            using errcode = 'EV004', hint = 'make a new request for each payment';
    end if;
    return_id := v_return.return_id;
    payment_id := v_return.gateway_payment_id;
    amount_minor := v_return.amount_minor;
    cause := v_return.cause;
    if is_new then
        insert into billing.transfer (kind, statement_id, debit_account, credit_account, amount_minor, currency, return_id)
        values ('refund', p_statement_id, 'receivable', 'cash', v_return.amount_minor, v_return.currency,
                v_return.return_id);
        if not p_is_due_again then
            insert into billing.transfer (
                kind, statement_id, debit_account, credit_account, amount_minor, currency, return_id)
            values ('goodwill', p_statement_id, 'goodwill', 'receivable', v_return.amount_minor, v_return.currency,
                    v_return.return_id);
        elsif billing.balance_minor(p_statement_id) > 0 then
            perform billing.plan_later(array[p_statement_id], 'a payment was given back by the gateway');
        end if;
        insert into billing.audit_event (actor, action, subject_id, reason)
        values (p_actor, 'acknowledge_refund', p_statement_id, p_reason);
    end if;
end
$$;
