-- Plans that wait for a person: of which month and run, since when, when it is reminded of, when it is rejected, and
-- what would be issued.
create or replace function billing.waiting_for_approval(p_now timestamptz)
returns table (
    period text, asked_at timestamptz, remind_at timestamptz, rejected_at timestamptz, reason text, accounts bigint,
    statements bigint, money jsonb, airflow_run_id text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
select p.period::text, q.asked_at, q.remind_at, q.due_at,
       'it waits for a person''s answer, and is rejected at ' || to_char(q.due_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI')
           || ' UTC otherwise: ' || array_to_string(q.reasons, '; '),
       (select count(distinct a.account_id) from billing.plan_account a
        where a.plan_id = p.plan_id and not a.is_on_hold),
       p.statements::bigint,
       (select jsonb_object_agg(m.currency, m.amount::text)
        from (
            select a.currency, round(sum(a.total_now_minor) / power(10::numeric, max(a.minor_unit)),
                                     max(a.minor_unit)) as amount
            from billing.plan_account a where a.plan_id = p.plan_id and a.total_now_minor > 0 and not a.is_on_hold
            group by 1) m),
       r.airflow_run_id
from billing.approval_request q
join billing.plan p using (plan_id)
join billing.run r using (run_id)
where p.issued_at is null and p.superseded_at is null and q.asked_at <= p_now and r.state = 'open'
  and not exists (select from billing.plan_decision d
                  where d.plan_id = q.plan_id and (d.scope = q.scope or d.decision = 'rejected'))
$$;
