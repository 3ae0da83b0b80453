-- Fails with EV004 unless the plan is approved as it is: whoever publishes it has it locked.
create or replace function billing.require_approval(p_plan billing.plan, p_scope text) returns void
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    if not exists (
        select from billing.plan_decision
        where plan_id = p_plan.plan_id and plan_hash = p_plan.plan_hash and scope = p_scope and decision = 'approved'
    ) or exists (
        select from billing.plan_decision where plan_id = p_plan.plan_id and decision = 'rejected'
    ) then
        raise exception 'plan % of % isn''t approved', p_plan.plan_id, p_plan.period using errcode = 'EV004',
            hint = 'nothing was issued; decide on it on the page Month, or by `evbilling approve`';
    end if;
end
$$;
