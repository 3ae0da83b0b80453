-- Books a refund that the gateway has made, as a return of its payment; returns the return. The caller has locked the
-- statement.
create or replace function billing.book_refund(p_refund billing.refund_attempt) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_return bigint;
begin
    insert into billing.payment_return (
        request_id, attempt_id, statement_id, gateway_payment_id, amount_minor, currency, minor_unit, cause, is_due_again,
        actor, reason)
    values ('refund ' || p_refund.refund_id, p_refund.attempt_id, p_refund.statement_id, p_refund.gateway_payment_id,
            p_refund.amount_minor, p_refund.currency, p_refund.minor_unit, 'refund', true, p_refund.actor, p_refund.reason)
    returning return_id into v_return;
    insert into billing.transfer (kind, statement_id, debit_account, credit_account, amount_minor, currency, return_id)
    values ('refund', p_refund.statement_id, 'receivable', 'cash', p_refund.amount_minor, p_refund.currency, v_return);
    -- As the gateway has it from now on: its last list may be older.
    update billing.gateway_payment g
    set refunded_minor = greatest(g.refunded_minor, (
            select sum(r.amount_minor) from billing.payment_return r
            where r.attempt_id = p_refund.attempt_id and r.cause = 'refund'))
    where g.gateway_payment_id = p_refund.gateway_payment_id;
    if billing.balance_minor(p_refund.statement_id) > 0 then
        perform billing.plan_later(array[p_refund.statement_id], 'a payment was refunded');
    end if;
    return v_return;
end
$$;
