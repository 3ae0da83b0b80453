-- What the gateway gave back of these statements' recorded payments and nobody has acknowledged: a row for each
-- payment, with the amount and the cause, refund or dispute. Not what another payment of the statement makes up for:
-- one of two was refunded. As the gateway was last listed.
create or replace function billing.returned_payments(p_statements text[])
returns table (statement_id text, gateway_payment_id text, attempt_id bigint, currency text, minor bigint, cause text)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
    return query
    with listed as (
        select l.statement_id, l.gateway_payment_id, l.own_attempt_id, l.currency, l.lost_minor,
               l.recorded_minor - l.kept_minor as missing_minor,
               sum(l.recorded_minor - l.kept_minor) over (partition by l.statement_id, l.currency) as net_minor
        from billing.listed_payment l
        where l.gateway_payment_id in (
                  select g.gateway_payment_id from billing.gateway_payment g where g.statement_id = any(p_statements)
                  union all
                  select a.gateway_payment_id from billing.payment_attempt a
                  where a.statement_id = any(p_statements) and a.outcome = 'succeeded')
          and l.statement_id = any(p_statements) and not l.is_open
    )
    select l.statement_id, l.gateway_payment_id, l.own_attempt_id, l.currency,
           least(l.missing_minor, l.net_minor)::bigint, case when l.lost_minor > 0 then 'dispute' else 'refund' end
    from listed l
    where l.own_attempt_id is not null and l.missing_minor > 0 and l.net_minor > 0
      -- A refund of ours is booked once its outcome is known.
      and not exists (select from billing.refund_attempt r
                      where r.statement_id = l.statement_id and r.outcome in ('pending', 'unknown'))
    order by l.statement_id, l.gateway_payment_id;
end
$$;
