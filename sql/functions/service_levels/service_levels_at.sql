-- Each service level as of p_now, for finance.service_levels and for tests: what is late, since when and why.
-- requires: functions/service_levels/month_levels.sql
-- requires: functions/service_levels/day_levels.sql
-- requires: functions/service_levels/flow_levels.sql
create or replace function billing.service_levels_at(p_now timestamptz)
returns table (
    service_level text, period text, state text, due_at timestamptz, late_since timestamptz, done_at timestamptz,
    reason_id text, reason text, reason_since timestamptz, accounts bigint, statements bigint, money jsonb,
    dag_id text, airflow_run_id text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select l.service_level, l.period,
           case when l.done_at is not null or l.due_at is null then 'ok' when l.due_at > p_now then 'due'
                else 'late' end,
           l.due_at, case when l.done_at is null and l.due_at <= p_now then l.due_at end, l.done_at, l.reason_id,
           l.reason, l.reason_since, l.accounts, l.statements, l.money, l.dag_id, l.airflow_run_id
    from (
        select * from billing.month_levels(p_now)
        union all
        select * from billing.day_levels(p_now)
        union all
        select * from billing.flow_levels(p_now)
    ) l
$$;
