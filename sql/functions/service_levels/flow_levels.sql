-- The service levels of what comes at any time, as of p_now: mail that waits, and charges that the gateway refuses or
-- that are on hold after a restore.
-- requires: functions/service_levels/due_after.sql
-- requires: functions/service_levels/first_line.sql
create or replace function billing.flow_levels(p_now timestamptz)
returns table (
    service_level text, period text, due_at timestamptz, done_at timestamptz, reason_id text, reason text,
    reason_since timestamptz, accounts bigint, statements bigint, money jsonb, dag_id text, airflow_run_id text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
with oldest as (
    -- Numbers are drawn in order, so the first is the oldest, and an index has it. What waits is counted once it is
    -- late: a hundred thousand messages of a month that is being mailed aren't.
    select (select m.created_at from billing.mail m where m.state = 'pending' and m.created_at <= p_now
            order by m.mail_id limit 1) as oldest
), waiting as (
    -- Hashed one after the other: counted as distinct at once, they would be sorted.
    select o.oldest, a.accounts, s.statements, e.last_error
    from oldest o
    cross join lateral (
        select o.oldest + billing.due_after('mail_delivery', (p_now at time zone 'UTC')::date) <= p_now as is_late
    ) l
    left join lateral (
        select count(*) as accounts
        from (select distinct m.account_id from billing.mail m where m.state = 'pending' and l.is_late) d
    ) a on true
    left join lateral (
        select count(*) as statements
        from (select distinct m.statement_id from billing.mail m where m.state = 'pending' and l.is_late) d
    ) s on true
    left join lateral (
        select m.last_error from billing.mail m
        where m.state = 'pending' and m.last_error is not null and l.is_late
        group by 1 order by count(*) desc limit 1
    ) e on true
), refused as (
    select a.statement_id, s.account_id, b.currency, b.minor_unit, a.amount_minor, a.decline_code,
           coalesce(a.settled_at, a.requested_at) as refused_at
    from billing.payment_attempt a
    join billing.standing b using (statement_id)
    join billing.statement s using (statement_id)
    where a.outcome = 'refused' and b.balance_minor > 0
      and not exists (select from billing.payment_attempt n
                      where n.statement_id = a.statement_id and n.attempt_no > a.attempt_no)
), by_currency as (
    select r.currency, round(sum(r.amount_minor) / power(10::numeric, max(r.minor_unit)), max(r.minor_unit)) as amount
    from refused r group by 1
), trouble as (
    select min(r.refused_at) as since, count(distinct r.account_id) as accounts, count(*) as statements,
           mode() within group (order by r.decline_code) as code,
           (select jsonb_object_agg(c.currency, c.amount::text) from by_currency c) as money,
           (select max(h.held_since) from billing.charging_hold h where h.lifted_at is null) as held_since
    from refused r
)
select 'mail_delivery', null, w.oldest + billing.due_after('mail_delivery', (p_now at time zone 'UTC')::date),
       case when w.oldest is null then e.occurred_at end,
       case when w.oldest is null then null
            when e.event = 'failed' then 'RUN_FAILED'
            when w.last_error is not null then 'MAIL_REFUSED'
            when e.event = 'begun' then 'RUN_UNDER_WAY'
            when e.occurred_at > w.oldest + interval '1 hour' then 'NOT_SENT' else 'NO_RUN' end,
       case when w.oldest is null then null
            when e.event = 'failed' then billing.first_line(e.detail)
            when w.last_error is not null then billing.first_line(w.last_error)
            when e.event = 'begun' then 'a run is under way'
            when e.occurred_at > w.oldest + interval '1 hour'
                then 'mail_delivery ran and sent nothing: is the connection smtp defined?'
            else 'no run of mail_delivery began since the message was queued' end,
       case when w.oldest is not null then greatest(e.occurred_at, w.oldest) end,
       w.accounts, w.statements, null::jsonb, 'mail_delivery', e.airflow_run_id
from waiting w
left join lateral (
    select n.event, n.detail, n.occurred_at, n.airflow_run_id from billing.dag_event n
    where n.dag_id = 'mail_delivery' and n.occurred_at <= p_now
    order by n.event_id desc limit 1
) e on true
where billing.due_after('mail_delivery', (p_now at time zone 'UTC')::date) is not null
union all
select 'gateway', null,
       coalesce(t.held_since, t.since) + billing.due_after('gateway', (p_now at time zone 'UTC')::date), null,
       case when t.held_since is not null then 'CHARGING_ON_HOLD' when t.since is not null then 'GATEWAY_REFUSES' end,
       case when t.held_since is not null
                then 'charging is on hold, because the warehouse was restored from a backup or moved'
            when t.since is not null then 'the gateway refuses our requests: ' || t.code end,
       coalesce(t.held_since, t.since), t.accounts, t.statements, t.money, 'payment_reconciliation', null
from trouble t
where billing.due_after('gateway', (p_now at time zone 'UTC')::date) is not null
$$;
