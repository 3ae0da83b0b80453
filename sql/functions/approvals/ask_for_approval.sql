-- Records that a plan waits for a person, why, and until when by the policy in force. Asked again, its times are new.
create or replace function billing.ask_for_approval(
    p_plan_id bigint, p_plan_hash text, p_scope text, p_reason_ids text[], p_reasons text[]
) returns billing.approval_request
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_plan billing.plan;
    v_policy billing.approval_policy;
    v_request billing.approval_request;
begin
    v_plan := billing.lock_undecided_plan(p_plan_id, p_plan_hash);
    v_policy := billing.policy_in_force(v_plan.period);
    insert into billing.approval_request as r (plan_id, scope, asked_at, remind_at, due_at, reason_ids, reasons)
    select p_plan_id, p_scope, now(), now() + make_interval(hours => deadline - remind),
           now() + make_interval(hours => deadline), p_reason_ids, p_reasons
    from (values (coalesce(v_policy.deadline_hours, 48), coalesce(v_policy.remind_hours, 12))) hours (deadline, remind)
    on conflict (plan_id, scope) do update
    set asked_at = excluded.asked_at, remind_at = excluded.remind_at, due_at = excluded.due_at,
        reason_ids = excluded.reason_ids, reasons = excluded.reasons
    returning * into v_request;
    return v_request;
end
$$;
