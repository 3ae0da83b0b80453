-- The daily service levels as of p_now: the first day without a run that ended, or today. Those of payments from the
-- day after the first statements were issued on; missed months from the day after a policy was set that does something.
-- requires: functions/service_levels/due_after.sql
-- requires: functions/service_levels/first_line.sql
create or replace function billing.day_levels(p_now timestamptz)
returns table (
    service_level text, period text, due_at timestamptz, done_at timestamptz, reason_id text, reason text,
    reason_since timestamptz, accounts bigint, statements bigint, money jsonb, dag_id text, airflow_run_id text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
with policy as (
    select distinct on (p.account_id) p.policy, p.recorded_at from billing.missed_month_policy p
    where p.recorded_at <= p_now
    order by p.account_id, p.policy_id desc
), daily as (
    select l.service_level, (p_now at time zone 'UTC')::date as today,
           case l.service_level
               when 'missed_months' then
                   (select (min(p.recorded_at) at time zone 'UTC')::date + 1 from policy p where p.policy <> 'ask')
               else
                   (select (min(r.settled_at) at time zone 'UTC')::date + 1
                    from billing.run r where r.dag_id = 'connector_statements' and r.state = 'issued')
           end as begins_on,
           (select n.occurred_at from billing.dag_event n
            where n.dag_id = l.service_level and n.event = 'done' and n.occurred_at <= p_now
            order by n.event_id desc limit 1) as done_at
    from (values ('payment_retries'), ('payment_reconciliation'), ('missed_months')) l (service_level)
), open as (
    select d.*, greatest(d.begins_on, (d.done_at at time zone 'UTC')::date + 1) as open_day from daily d
), waiting as (
    select 'payment_retries' as service_level, b.currency, b.minor_unit, s.account_id, b.balance_minor as minor
    from billing.payment_plan p
    join billing.standing b using (statement_id)
    join billing.statement s using (statement_id)
    where p.reason_id <> 'PAID' and p.planned_at <= p_now and b.balance_minor > 0
    union all
    select 'payment_reconciliation', a.currency, a.minor_unit, s.account_id, a.amount_minor
    from billing.payment_attempt a join billing.statement s using (statement_id)
    where a.outcome in ('pending', 'unknown')
), by_currency as (
    select w.service_level, w.currency, count(*) as statements,
           round(sum(w.minor) / power(10::numeric, max(w.minor_unit)), max(w.minor_unit)) as amount
    from waiting w group by 1, 2
)
select o.service_level, least(o.open_day, o.today)::text,
       (least(o.open_day, o.today) + billing.due_after(o.service_level, least(o.open_day, o.today)))
           at time zone 'UTC',
       case when o.open_day > o.today then o.done_at end,
       case when e.event = 'failed' then 'RUN_FAILED'
            when o.open_day > o.today then null
            when e.event = 'begun' then 'RUN_UNDER_WAY' else 'NO_RUN' end,
       case when e.event = 'failed' then billing.first_line(e.detail)
            when o.open_day > o.today then null
            when e.event = 'begun' then 'its run hasn''t ended'
            when o.done_at is null then 'no run of ' || o.service_level || ' has ended yet'
            else 'no run of ' || o.service_level || ' began since the last one ended' end,
       case when e.event = 'failed' or o.open_day <= o.today then coalesce(e.occurred_at, o.done_at) end,
       (select count(distinct w.account_id) from waiting w where w.service_level = o.service_level),
       (select sum(c.statements)::bigint from by_currency c where c.service_level = o.service_level),
       (select jsonb_object_agg(c.currency, c.amount::text) from by_currency c where c.service_level = o.service_level),
       o.service_level, e.airflow_run_id
from open o
left join lateral (
    select n.event, n.detail, n.occurred_at, n.airflow_run_id from billing.dag_event n
    where n.dag_id = o.service_level and n.occurred_at <= p_now
    order by n.event_id desc limit 1
) e on true
where o.begins_on <= o.today and billing.due_after(o.service_level, o.today) is not null
$$;
