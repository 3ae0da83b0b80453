-- requires: functions/approvals/policy_in_force.sql
-- True if whoever approves a plan must not have changed what it goes by: the policy in force asks for that, or the one
-- did that was in force when the month it is compared with was issued, so nobody can switch it off for themselves.
create or replace function billing.asks_four_eyes(p_plan billing.plan) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select coalesce((billing.policy_in_force(p_plan.period)).four_eyes, false)
        or coalesce((
            select (billing.policy_in_force(p_plan.period, settled_at)).four_eyes
            from billing.run where run_id = p_plan.compared_run_id
        ), false)
$$;
