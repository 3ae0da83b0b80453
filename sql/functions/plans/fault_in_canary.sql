-- Why these accounts can't be the canary of a plan, for the pages and pick_canary(); null: they can.
-- requires: functions/plans/may_have_canary.sql
create or replace function billing.fault_in_canary(p_plan billing.plan, p_account_ids text[]) returns text
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    with named as (
        select distinct account_id from unnest(p_account_ids) n (account_id)
    ), wrong as (
        select min(account_id) as example, count(*) as accounts from named n
        where not exists (
            select from billing.plan_account a
            where a.plan_id = p_plan.plan_id and a.account_id = n.account_id and a.total_now_minor > 0)
    )
    select case when not billing.may_have_canary(p_plan)
                then p_plan.period || ' can''t have a canary any more: it has statements already'
                when w.accounts > 0
                then 'account ' || w.example || case w.accounts when 1 then '' when 2 then ' and another one'
                         else ' and ' || w.accounts - 1 || ' others' end
                     || case w.accounts when 1 then ' gets' else ' get' end || ' no statement by plan ' || p_plan.plan_id
                when n.accounts = 0 then 'no account is named'
                when n.accounts > 1000 then n.accounts || ' accounts are named, and the limit is 1000'
                when n.accounts >= p_plan.statements
                then 'every statement of plan ' || p_plan.plan_id || ' is named, so that nothing is left for later'
           end
    from wrong w cross join (select count(*) as accounts from named) n
$$;
