-- What the policies decide on each missed month that isn't forgiven, as of p_now: bill, forgive, or ask (a person),
-- with the reason where that isn't what the policy says. With p_if_policy as if that policy were recorded at p_now, of
-- p_if_account_id or, if that is null, of all accounts without one of their own.
--
-- A policy counts for what is missed while it is in force, however old the month. A person's word on a month since
-- counts more: one whose forgiveness was taken back isn't decided on by an older policy. Nor is a month whose run
-- hasn't ended, as where its plan waits. A month that was never billed is billed as a whole or not at all.
-- requires: functions/missed_months/missed_months_at.sql
-- requires: functions/missed_months/forgiven_in.sql
create or replace function billing.missed_month_decisions(
    p_now timestamptz, p_if_policy text default null, p_if_account_id text default null)
returns table (
    period text, account_id text, reason_id text, policy_id bigint, policy text, decision text, why text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
with policy as materialized (
    select distinct on (c.account_id) c.*
    from (
        select p.account_id, p.policy_id, p.policy, p.recorded_at from billing.missed_month_policy p
        union all
        select p_if_account_id, null, p_if_policy, p_now where p_if_policy is not null) c
    order by c.account_id, c.policy_id desc nulls first
), missed as materialized (
    select m.period, m.account_id, m.reason_id, coalesce(o.policy, a.policy, 'ask') as policy,
           case when o.policy is null then a.policy_id else o.policy_id end as policy_id,
           case when o.policy is null then a.recorded_at else o.recorded_at end as recorded_at
    from billing.missed_months_at(p_now) m
    left join billing.forgiven_in() f on f.period = m.period and f.account_id = m.account_id
    left join policy o on o.account_id = m.account_id
    left join policy a on a.account_id is null
    where f.account_id is null
), under_way as materialized (
    -- Airflow ends a run of a month after 23 days.
    select r.period::text as period, max(r.run_id) as run_id
    from billing.run r
    where r.dag_id = 'connector_statements' and r.state = 'open' and r.opened_at > p_now - interval '23 days'
    group by 1
), decided as materialized (
    select m.*,
           case when m.policy = 'ask' then null
                when u.run_id is not null then 'run ' || u.run_id || ' of the month hasn''t ended'
                when t.actor is not null then 'it was forgiven, and ' || t.actor || ' took that back' end as left_out
    from missed m
    left join under_way u on u.period = m.period
    left join lateral (
        select n.actor from billing.forgiveness n
        where n.period = m.period and n.account_id = m.account_id and not n.is_forgiven
          and n.recorded_at > m.recorded_at
        order by n.forgiveness_id desc limit 1) t on true
), whole as materialized (
    select d.period, count(*) as accounts, min(d.account_id) as example
    from decided d
    where d.reason_id = 'NEVER-BILLED' and (d.policy = 'ask' or d.left_out is not null)
    group by 1
)
select d.period, d.account_id, d.reason_id, d.policy_id, d.policy,
       case when d.left_out is not null or d.policy = 'bill' and w.period is not null then 'ask' else d.policy end,
       coalesce(d.left_out, case when d.policy = 'bill' and w.period is not null then
           'the month was never billed, so it is billed as a whole, and ' || w.example
           || case w.accounts when 1 then '' when 2 then ' and another account'
                  else ' and ' || w.accounts - 1 || ' other accounts' end
           || case w.accounts when 1 then ' is' else ' are' end || ' left to a person' end)
from decided d
left join whole w on w.period = d.period and d.reason_id = 'NEVER-BILLED'
$$;
