-- Months that accounts were to be billed for and weren't, as of p_now: past the time by which connector statements are
-- due, with a setting in force that charges the account, and neither a connector statement nor an account that is on
-- hold or has nothing to bill on record. From the first month billed on; before there is one, only this month. Of one
-- account, or of all. Months that are forgiven are among them: forgiven_in() knows which.
-- requires: functions/plans/is_partly_issued.sql
-- requires: functions/service_levels/due_after.sql
-- requires: functions/settings/settings_in_force.sql
create or replace function billing.missed_months_at(p_now timestamptz, p_account_id text default null)
returns table (
    period text, account_id text, reason_id text, reason text, due_at timestamptz, days_late integer)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
with billed as materialized (
    -- Null: only the canary of the month is issued, so it is billed as a whole yet.
    select b.period, case when bool_or(b.is_whole) then coalesce(min(b.opened_at), '-infinity') end as opened_at
    from (
        select r.period::text as period, r.opened_at, true as is_whole
        from billing.run r
        where r.dag_id = 'connector_statements' and r.state in ('issued', 'unchanged', 'differs')
        union all
        select s.period, null, not billing.is_partly_issued(s.period)
        from (select distinct period from billing.statement_sum where kind = 'connector') s) b
    group by 1
), span as (
    select date_trunc('month', p_now at time zone 'UTC') as this,
           (select to_date(min(b.period), 'YYYY-MM')::timestamp from billed b) as first_billed,
           (select to_date(min(a.effective_from), 'YYYY-MM')::timestamp
            from billing.account_setting a where a.charge_connectors) as first_setting
), month as materialized (
    select to_char(d, 'YYYY-MM') as period, b.opened_at, b.period is not null as is_begun,
           (d + billing.due_after('connector_statements', d::date)) at time zone 'UTC' as due_at
    from span
    cross join generate_series(
        greatest(coalesce(first_billed, this), first_setting), this, interval '1 month') d
    left join billed b on b.period = to_char(d, 'YYYY-MM')
    where first_setting is not null
), due as materialized (
    select m.* from month m where m.due_at <= p_now
), late_from as (
    -- A run settles all accounts that were charged when it began: in a month that is billed, only a setting recorded
    -- since can be of an account without a record. One that was being recorded then has the time of its beginning.
    select f.effective_from, min(d.opened_at) - interval '10 minutes' as recorded_from
    from (select distinct s.effective_from::text as effective_from from billing.account_setting s
          where p_account_id is null or s.account_id = p_account_id) f
    join due d on d.period >= f.effective_from and d.opened_at is not null
    group by 1
), late_setting as materialized (
    select distinct s.account_id
    from billing.account_setting s
    join late_from l on l.effective_from = s.effective_from and s.recorded_at >= l.recorded_from
    where p_account_id is null or s.account_id = p_account_id
    union
    select f.account_id from billing.forgiveness f where p_account_id is null or f.account_id = p_account_id
), expected as (
    select d.period, d.due_at, d.opened_at, d.is_begun, f.account_id, f.recorded_at
    from due d
    cross join lateral billing.settings_in_force(d.period) f
    where d.opened_at is null and p_account_id is null and f.charge_connectors
    union all
    select d.period, d.due_at, d.opened_at, d.is_begun, f.account_id, f.recorded_at
    from due d
    join (select l.account_id from late_setting l union select p_account_id where p_account_id is not null) c
        on d.opened_at is not null or p_account_id is not null
    cross join lateral (
        select s.* from billing.account_setting s
        where s.account_id = c.account_id and s.effective_from <= d.period
        order by s.effective_from desc, s.setting_id desc limit 1
    ) f
    where f.charge_connectors
)
select e.period, e.account_id,
       case when e.opened_at is null then 'NEVER-BILLED'
            when l.account_id is not null then 'LEFT-OUT' else 'ENABLED-LATE' end,
       case when e.opened_at is null and e.is_begun then 'only the canary of the month is issued'
            when e.opened_at is null then 'no run has billed the month'
            when l.account_id is not null then 'it was forgiven when the month was billed'
            else 'it was charged by a setting of ' || to_char(e.recorded_at at time zone 'UTC', 'YYYY-MM-DD')
                 || ', after the month was billed' end,
       e.due_at, extract(day from p_now - e.due_at)::integer
from expected e
left join billing.unbilled_account l
    on l.period = e.period and l.account_id = e.account_id and l.reason_id = 'FORGIVEN' and l.resolved_by_run_id is null
where not exists (
        select from billing.statement s
        where s.kind = 'connector' and s.period = e.period and s.account_id = e.account_id)
  and not exists (
        select from billing.unbilled_account u
        where u.period = e.period and u.account_id = e.account_id and u.resolved_by_run_id is null
          and u.reason_id <> 'FORGIVEN')
$$;
