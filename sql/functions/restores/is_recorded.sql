-- Whether a payment at the gateway is of an attempt that this warehouse sent, or recorded as paid by it. It names the
-- attempt and, unless somebody changed that at the gateway, its statement.
create or replace function billing.is_recorded(p_payment text, p_attempt bigint, p_statement text) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select exists (
        select from billing.payment_attempt a
        where a.attempt_id = p_attempt and a.statement_id = coalesce(p_statement, a.statement_id)
          and (a.sent_at is not null or a.gateway_payment_id = p_payment))
$$;
