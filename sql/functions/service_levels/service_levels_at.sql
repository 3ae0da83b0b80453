-- Each service level as of p_now, for finance.service_levels and for tests: what is late, since when and why.
-- requires: functions/service_levels/waiting_for_approval.sql
-- requires: functions/service_levels/month_levels.sql
-- requires: functions/service_levels/day_levels.sql
-- requires: functions/service_levels/flow_levels.sql
create or replace function billing.service_levels_at(p_now timestamptz)
returns table (
    service_level text, period text, state text, due_at timestamptz, late_since timestamptz, done_at timestamptz,
    reason_id text, reason text, reason_since timestamptz, accounts bigint, statements bigint, money jsonb,
    dag_id text, airflow_run_id text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    with waiting as (select * from billing.waiting_for_approval(p_now))
    select l.service_level, l.period,
           case when l.done_at is not null or l.due_at is null then 'ok' when l.due_at > p_now then 'due'
                else 'late' end,
           l.due_at, case when l.done_at is null and l.due_at <= p_now then l.due_at end, l.done_at,
           case when w.period is null then l.reason_id else 'WAITING_FOR_APPROVAL' end,
           coalesce(w.reason, l.reason), coalesce(w.asked_at, l.reason_since), l.accounts, l.statements, l.money,
           l.dag_id, l.airflow_run_id
    from (
        select * from billing.month_levels(p_now)
        union all
        select * from billing.day_levels(p_now)
        union all
        select * from billing.flow_levels(p_now)
    ) l
    left join lateral (
        select a.* from waiting a
        where l.service_level = 'connector_statements' and l.done_at is null and a.period = l.period
        order by a.asked_at limit 1
    ) w on true
    union all
    select 'approval', w.period, case when w.remind_at > p_now then 'due' else 'late' end, w.remind_at,
           case when w.remind_at <= p_now then w.remind_at end, null, 'WAITING_FOR_APPROVAL', w.reason, w.asked_at,
           w.accounts, w.statements, w.money, 'connector_statements', w.airflow_run_id
    from waiting w
$$;
