-- How far back the gateway's payments must be compared before a hold is lifted: to the oldest connector statement on
-- which something is due, and to the newest attempt of those that were sent, or the first run if none was. What was
-- lost is newer than that.
create or replace function billing.full_comparison_since() returns timestamptz
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select least((select min(s.issued_at) from billing.standing d join billing.statement s using (statement_id)
                  where d.status in ('Issued', 'Billing failure', 'Partly paid')),
                 coalesce((select a.sent_at from billing.payment_attempt a where a.sent_at is not null
                           order by a.attempt_id desc limit 1),
                          (select min(r.opened_at) from billing.run r), now()))
$$;
