-- Plans that wait for a person: of which month and run, since when, when it is reminded of, when it is rejected, and
-- what would be issued; of the rest of a plan, without its canary.
create or replace function billing.waiting_for_approval(p_now timestamptz)
returns table (
    period text, asked_at timestamptz, remind_at timestamptz, rejected_at timestamptz, reason text, accounts bigint,
    statements bigint, money jsonb, airflow_run_id text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
with account as (
    select a.*, q.scope from billing.plan_account a
    join billing.approval_request q using (plan_id)
    where not a.is_on_hold
      and not (q.scope = 'rest' and exists (
          select from billing.plan_canary c where c.plan_id = a.plan_id and c.account_id = a.account_id))
)
select p.period::text, q.asked_at, q.remind_at, q.due_at,
       'it waits for a person''s answer, and is rejected at ' || to_char(q.due_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI')
           || ' UTC otherwise: ' || array_to_string(q.reasons, '; '),
       (select count(distinct a.account_id) from account a where a.plan_id = p.plan_id and a.scope = q.scope),
       (select count(*) from account a where a.plan_id = p.plan_id and a.scope = q.scope and a.total_now_minor > 0),
       (select jsonb_object_agg(m.currency, m.amount::text)
        from (
            select a.currency, round(sum(a.total_now_minor) / power(10::numeric, max(a.minor_unit)),
                                     max(a.minor_unit)) as amount
            from account a where a.plan_id = p.plan_id and a.scope = q.scope and a.total_now_minor > 0
            group by 1) m),
       r.airflow_run_id
from billing.approval_request q
join billing.plan p using (plan_id)
join billing.run r using (run_id)
where p.issued_at is null and p.superseded_at is null and q.asked_at <= p_now and r.state in ('open', 'failed')
  and not exists (select from billing.plan_decision d
                  where d.plan_id = q.plan_id and (d.scope = q.scope or d.decision = 'rejected'))
$$;
