-- requires: views/billing/listed_payment.sql
-- The gateway's customers with a payment whose attempt was lost with a restore, while nothing accounts for it. Nothing
-- is charged to them: its statement may have been issued again under another number.
create or replace function billing.lost_customers() returns setof text
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select distinct g.customer
    from billing.lost_payment n
    join billing.gateway_payment g on g.gateway_payment_id = n.gateway_payment_id
    join billing.listed_payment l on l.gateway_payment_id = n.gateway_payment_id
    where g.customer is not null and l.kept_minor > l.recorded_minor
$$;
