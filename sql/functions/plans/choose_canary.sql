-- Chooses the canary of a plan that nobody has decided on: the accounts that pick_canary() was given, or else as many
-- statements as the policy in force says, the smallest of each currency in turn, so that every currency is among them
-- and little money. By the rule none of a plan that has no more statements than that, of a month that has statements
-- already, or of a run of some accounts.
create or replace function billing.choose_canary(
    p_plan billing.plan, p_account_ids text[] default null, p_actor text default null
) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_number integer := (billing.policy_in_force(p_plan.period)).canary_statements;
begin
    if exists (select from billing.plan_decision where plan_id = p_plan.plan_id) then
        return;
    end if;
    delete from billing.plan_canary where plan_id = p_plan.plan_id;
    if p_account_ids is not null then
        insert into billing.plan_canary (plan_id, account_id, picked_by)
        select p_plan.plan_id, account_id, p_actor from unnest(p_account_ids) picked (account_id);
    elsif p_plan.statements > v_number and billing.may_have_canary(p_plan) then
        insert into billing.plan_canary (plan_id, account_id)
        select p_plan.plan_id, account_id
        from (
            select account_id, total_now_minor / 10::numeric ^ minor_unit as total,
                   row_number() over (partition by currency order by total_now_minor, account_id collate "C") as place
            from billing.plan_account where plan_id = p_plan.plan_id and total_now_minor > 0) a
        order by place, total, account_id collate "C"
        limit v_number;
    end if;
    -- A person who is asked already decides on what the plan has now.
    update billing.approval_request
    set scope = case when exists (select from billing.plan_canary where plan_id = p_plan.plan_id) then 'canary'
                     else 'all' end
    where plan_id = p_plan.plan_id and scope in ('all', 'canary');
end
$$;
