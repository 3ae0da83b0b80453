-- What the gateway has collected for these statements and neither an attempt nor a payment marked as paid accounts for:
-- a row for each payment, with the amount that is missing from the record. While there is one, its statement isn't
-- charged. Only what was listed or answered is known: a payment made since the last reconciliation is missing. What
-- makes up for another payment of the statement that was given back is accounted for: one of two was refunded.
create or replace function billing.unaccounted_payments(p_statements text[])
returns table (statement_id text, gateway_payment_id text, attempt_id bigint, currency text, minor bigint)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
    return query
    select l.statement_id, l.gateway_payment_id, l.attempt_id, l.currency,
           least(l.kept_minor - l.recorded_minor, l.surplus_minor)::bigint
    from (
        select l.*, case when l.is_open then l.kept_minor - l.recorded_minor
                         else sum(l.kept_minor - l.recorded_minor) over (
                             partition by l.statement_id, l.currency, l.is_open) end as surplus_minor
        from billing.listed_payment l
        where l.gateway_payment_id in (
                  select g.gateway_payment_id from billing.gateway_payment g where g.statement_id = any(p_statements)
                  union all
                  select g.gateway_payment_id from billing.payment_attempt a
                  join billing.gateway_payment g on g.attempt_id = a.attempt_id
                  where a.statement_id = any(p_statements))
          and l.statement_id = any(p_statements)) l
    where l.kept_minor > l.recorded_minor and l.surplus_minor > 0
    order by l.statement_id, l.gateway_payment_id;
end
$$;
