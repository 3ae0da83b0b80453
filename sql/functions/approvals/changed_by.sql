-- What a person has changed of what a plan goes by, in words: the approval policy or billing settings that are new
-- since the month it is compared with, or what is forgiven of the plan's month. Null: nothing. Names are compared
-- without regard to case.
create or replace function billing.changed_by(p_plan billing.plan, p_actor text) returns text
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    with since as (
        select coalesce(max(settled_at), '-infinity') as issued from billing.run where run_id = p_plan.compared_run_id
    )
    select 'the approval policy'
    from billing.approval_policy, since
    where lower(actor) = lower(trim(p_actor)) and effective_from <= p_plan.period
      and (recorded_at > issued or effective_from > coalesce(p_plan.compared_with, ''))
    union all
    select 'what is forgiven of ' || p_plan.period
    where exists (select from billing.forgiveness
                  where period = p_plan.period and lower(actor) = lower(trim(p_actor)))
    union all
    select 'the billing settings of ' || min(account_id)
           || case when count(distinct account_id) > 1
                   then ' and ' || to_char(count(distinct account_id) - 1, 'FM999,999,999') || ' more' else '' end
    from billing.account_setting, since
    where lower(actor) = lower(trim(p_actor)) and effective_from <= p_plan.period
      and (recorded_at > issued or effective_from > coalesce(p_plan.compared_with, ''))
    having count(*) > 0
    limit 1
$$;
