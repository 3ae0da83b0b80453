-- The monthly service levels as of p_now: connector statements of each month since billing began (of those not billed
-- the last twelve; forgiven to all accounts, one is done), and account statements and charges of the months billed.
-- requires: functions/service_levels/due_after.sql
-- requires: functions/service_levels/first_line.sql
-- requires: functions/missed_months/missed_months_at.sql
-- requires: functions/missed_months/forgiven_in.sql
-- requires: functions/plans/is_partly_issued.sql
create or replace function billing.month_levels(p_now timestamptz)
returns table (
    service_level text, period text, due_at timestamptz, done_at timestamptz, reason_id text, reason text,
    reason_since timestamptz, accounts bigint, statements bigint, money jsonb, dag_id text, airflow_run_id text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
with summed as (
    select s.period, s.currency, sum(s.statements) as statements,
           sum(s.statements) filter (where s.status = 'Issued' and s.total_minor > 0) as open_statements,
           round(sum(s.total_minor) / power(10::numeric, max(s.minor_unit)), max(s.minor_unit)) as amount
    from billing.statement_sum s where s.kind = 'connector' group by 1, 2
), billed as materialized (
    select b.period, min(b.settled_at) as done_at, min(b.settled_at) filter (where b.state = 'issued') as issued_at
    from (
        select r.period::text as period, r.settled_at, r.state
        from billing.run r
        where r.dag_id = 'connector_statements' and r.state in ('issued', 'unchanged', 'differs')
        union all
        select s.period, null, null from summed s) b
    group by 1
), totals as materialized (
    select s.period, sum(s.statements)::bigint as statements, coalesce(sum(s.open_statements), 0)::bigint as open_statements,
           jsonb_object_agg(s.currency, s.amount::text) filter (where s.statements > 0) as money
    from summed s group by 1
), span as (
    select date_trunc('month', p_now at time zone 'UTC') as this,
           (select to_date(min(b.period), 'YYYY-MM')::timestamp from billed b) as first_billed,
           (select to_date(min(a.effective_from), 'YYYY-MM')::timestamp
            from billing.account_setting a where a.charge_connectors) as first_setting
), last_billed as (
    select t.statements, t.money from totals t where t.statements > 0 order by t.period desc limit 1
), forgiven as materialized (
    select f.period::text as period, f.account_id, f.recorded_at
    from billing.forgiven_in() f
    where f.period not in (select b.period from billed b)
), settled as materialized (
    -- Months that no run has billed, and that are forgiven to all their accounts. All accounts are looked at only if
    -- any are forgiven.
    select f.period, max(f.recorded_at) as done_at
    from forgiven f
    where f.period not in (
        select m.period from billing.missed_months_at(p_now) m
        left join forgiven g on g.period = m.period and g.account_id = m.account_id
        where g.account_id is null and exists (select from forgiven))
    group by 1
), month as (
    -- A month whose canary alone is issued isn't billed.
    select to_char(d, 'YYYY-MM') as period, d as first_day, i.is_billed,
           not i.is_billed and g.period is null as is_missing, coalesce(b.done_at, g.done_at) as done_at, b.issued_at,
           row_number() over (partition by b.period is not null order by d desc) as place
    from span
    cross join generate_series(
        greatest(coalesce(first_billed, this), first_setting), this, interval '1 month') d
    left join billed b on b.period = to_char(d, 'YYYY-MM')
    left join settled g on g.period = to_char(d, 'YYYY-MM')
    cross join lateral (
        select b.done_at is not null or (b.period is not null and not billing.is_partly_issued(b.period)) as is_billed) i
    where first_setting is not null
), recent as (
    select m.*, (m.first_day + interval '1 month' - interval '1 day') as last_day from month m where m.place <= 12
)
-- Connector statements.
select 'connector_statements', m.period,
       (m.first_day + billing.due_after('connector_statements', m.first_day::date)) at time zone 'UTC', m.done_at,
       case when m.is_missing then coalesce(case r.state when 'failed' then 'RUN_FAILED' when 'open' then 'RUN_UNDER_WAY' end, 'NO_RUN') end,
       case when m.is_missing then coalesce(
           case r.state when 'failed' then billing.first_line(r.failure)
                        when 'open' then 'run ' || r.run_id || ' hasn''t ended' end,
           'no run of connector_statements began') end,
       case when m.is_missing then r.opened_at end,
       case when m.is_missing then coalesce(
           l.statements, (select count(distinct a.account_id) from billing.account_setting a where a.charge_connectors))
       end,
       case when m.is_billed then t.statements end,
       case when m.is_missing then l.money else t.money end,
       'connector_statements', case when m.is_missing then r.airflow_run_id end
from recent m
left join last_billed l on true
left join totals t on t.period = m.period
left join lateral (
    select n.* from billing.run n
    where n.period = m.period and n.dag_id = 'connector_statements' and n.state in ('failed', 'open')
      and not exists (select from billing.run o where o.period = n.period and o.dag_id = n.dag_id and o.run_id > n.run_id)
) r on true
where m.is_billed or billing.due_after('connector_statements', m.first_day::date) is not null
union all
-- Account statements, of the months that were billed before their last day: later ones are caught up by hand.
select 'account_statements', m.period,
       (m.last_day + billing.due_after('account_statements', m.last_day::date)) at time zone 'UTC', s.done_at,
       case when s.done_at is null then coalesce(case r.state when 'failed' then 'RUN_FAILED' when 'open' then 'RUN_UNDER_WAY' end, 'NO_RUN') end,
       case when s.done_at is null then coalesce(
           case r.state when 'failed' then billing.first_line(r.failure)
                        when 'open' then 'run ' || r.run_id || ' hasn''t ended' end,
           'no run of account_statements began') end,
       case when s.done_at is null then r.opened_at end,
       t.statements, null, t.money, 'account_statements', case when s.done_at is null then r.airflow_run_id end
from recent m
join totals t on t.period = m.period
left join lateral (
    select min(n.settled_at) as done_at from billing.run n
    where n.period = m.period and n.dag_id = 'account_statements' and n.state in ('issued', 'unchanged', 'differs')
) s on true
left join lateral (
    select n.* from billing.run n
    where n.period = m.period and n.dag_id = 'account_statements' and n.state in ('failed', 'open')
      and not exists (select from billing.run o where o.period = n.period and o.dag_id = n.dag_id and o.run_id > n.run_id)
) r on true
where m.issued_at < m.last_day at time zone 'UTC'
  and (s.done_at is not null or billing.due_after('account_statements', m.last_day::date) is not null)
union all
-- Charges: statements that nobody has tried to collect yet. Until they are due, the sums say how many; then they are
-- looked for one by one, as what is due again after a refund was tried before.
select 'charges', m.period, c.due_at,
       case when c.statements = 0 then m.issued_at end,
       case when c.statements > 0 then
           case h.is_open when true then 'CHARGING_ON_HOLD' else
               case e.event when 'failed' then 'RUN_FAILED' when 'begun' then 'RUN_UNDER_WAY' else 'NO_RUN' end end end,
       case when c.statements > 0 then
           case h.is_open when true then 'charging is on hold: ' || h.detail else
               case e.event when 'failed' then billing.first_line(e.detail)
                            when 'begun' then 'the task charge hasn''t ended'
                            else 'the task charge of connector_statements hasn''t run' end end end,
       case when c.statements > 0 then coalesce(h.held_since, e.occurred_at) end,
       c.statements, c.statements, o.money, 'connector_statements', e.airflow_run_id
from recent m
join totals t on t.period = m.period
cross join lateral (
    select m.issued_at + billing.due_after('charges', (p_now at time zone 'UTC')::date) as due_at
) l
left join lateral (
    select sum(d.statements)::bigint as statements, jsonb_object_agg(d.currency, d.amount::text) as money
    from (
        select s.currency, count(*) as statements,
               round(sum(s.balance_minor) / power(10::numeric, max(s.minor_unit)), max(s.minor_unit)) as amount
        from billing.standing s
        where t.open_statements > 0 and l.due_at <= p_now and s.status = 'Issued' and s.balance_minor > 0
          and s.statement_id >= 'A-' || to_char(m.first_day, 'YYYYMM') || '-'
          and s.statement_id < 'A-' || to_char(m.first_day + interval '1 month', 'YYYYMM') || '-'
          and not exists (select from billing.payment_attempt a
                          where a.statement_id = s.statement_id and a.outcome in ('succeeded', 'declined'))
        group by 1) d
) o on true
cross join lateral (
    select l.due_at, case when l.due_at <= p_now then coalesce(o.statements, 0) else t.open_statements end as statements
) c
left join lateral (
    select true as is_open, g.held_since, g.detail from billing.charging_hold g where g.lifted_at is null
) h on true
left join lateral (
    select n.event, n.detail, n.occurred_at, n.airflow_run_id from billing.dag_event n
    where n.dag_id = 'connector_statements' and n.task_id = 'charge' and n.period = m.period
    order by n.event_id desc limit 1
) e on true
where m.issued_at is not null and billing.due_after('charges', (p_now at time zone 'UTC')::date) is not null
$$;
