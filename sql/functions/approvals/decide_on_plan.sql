-- Records a decision on a plan, bound to the hash that was seen; returns its id, the recorded one if the same was
-- decided by the same already. `p_by` is policy, person or deadline. It decides under the plan's lock, which publishing
-- takes too. EV001: the plan was superseded or issued. EV004: another hash, decided otherwise, or not this person's to
-- decide.
create or replace function billing.decide_on_plan(
    p_plan_id bigint, p_plan_hash text, p_scope text, p_decision text, p_by text, p_actor text, p_reason text
) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_plan billing.plan;
    v_policy billing.approval_policy;
    v_done billing.plan_decision;
    v_changed text;
    v_id bigint;
begin
    if coalesce(trim(p_actor), '') = '' or coalesce(trim(p_reason), '') = '' then
        raise exception 'a plan is decided on with who and why' using errcode = 'EV004', hint = 'give a reason';
    elsif (p_scope in ('all', 'canary', 'rest') and p_decision in ('approved', 'rejected')
           and p_by in ('policy', 'person', 'deadline')) is distinct from true then
        raise exception '% of % by % is no decision on a plan', p_decision, p_scope, p_by using errcode = 'EV004';
    end if;
    -- A task that is tried again finds its own decision, also once the plan is issued.
    select * into v_done from billing.plan_decision
    where (plan_id, plan_hash, scope, decision, decided_by, actor)
          = (p_plan_id, p_plan_hash, p_scope, p_decision, p_by, trim(p_actor));
    if found then
        return v_done.decision_id;
    end if;

    v_plan := billing.lock_undecided_plan(p_plan_id, p_plan_hash);
    select * into v_done from billing.plan_decision
    where plan_id = p_plan_id and (scope = p_scope or decision = 'rejected' or 'all' in (scope, p_scope))
    order by decision = 'rejected' desc limit 1;
    if found then
        raise exception 'plan % of % was % already, by % at % UTC', p_plan_id, v_plan.period, v_done.decision, v_done.actor,
            to_char(v_done.decided_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI')
            using errcode = 'EV004', hint = 'to decide anew, run the month again: it is planned anew then';
    elsif p_scope = 'rest' and not exists (
        select from billing.plan_decision where plan_id = p_plan_id and scope = 'canary'
    ) then
        raise exception 'the canary of plan % of % isn''t approved, so its rest can''t be decided on', p_plan_id,
            v_plan.period using errcode = 'EV004';
    elsif p_scope = 'rest' and v_plan.canary_issued_at is null then
        raise exception 'the canary of plan % of % isn''t issued yet, so its rest can''t be decided on', p_plan_id,
            v_plan.period using errcode = 'EV004', hint = 'clear the task issue_canary';
    elsif (p_scope = 'all') = exists (select from billing.plan_canary where plan_id = p_plan_id) then
        raise exception 'plan % of % is decided on %', p_plan_id, v_plan.period,
            case p_scope when 'all' then 'in two steps: its canary, then the rest' else 'as a whole: it has no canary' end
            using errcode = 'EV004', hint = 'look at the plan as it is now, and decide anew';
    end if;
    v_policy := billing.policy_in_force(v_plan.period);
    if p_by = 'policy' and v_plan.statements > 0
       and (p_decision = 'rejected' or p_scope = 'rest' or v_policy.mode = 'always'
            or billing.is_partly_issued(v_plan.period)) then
        raise exception 'no policy can have % plan % of %', p_decision, p_plan_id, v_plan.period using errcode = 'EV004',
            hint = 'a person decides on it: on the page Month, or by `evbilling approve`';
    end if;
    if p_by = 'person' and p_decision = 'approved' and billing.asks_four_eyes(v_plan) then
        v_changed := billing.changed_by(v_plan, p_actor);
        if v_changed is not null then
            raise exception '% has changed % that plan % of % goes by, so somebody else has to approve it', trim(p_actor),
                v_changed, p_plan_id, v_plan.period
                using errcode = 'EV004', hint = 'clear the task ' || case p_scope when 'rest' then 'approve_rest' else 'approve' end
                    || ' of its run: somebody else can answer it then';
        end if;
    end if;
    insert into billing.plan_decision (plan_id, plan_hash, scope, decision, decided_by, policy_id, actor, reason)
    values (p_plan_id, p_plan_hash, p_scope, p_decision, p_by, v_policy.policy_id, trim(p_actor), trim(p_reason))
    returning decision_id into v_id;
    -- What a policy lets pass is in its decision alone: a month that runs by itself is no act of anybody.
    if p_by <> 'policy' then
        insert into billing.audit_event (actor, action, subject_id, reason, run_id)
        values (trim(p_actor), case p_decision when 'approved' then 'approve_plan' else 'reject_plan' end,
                v_plan.period, trim(p_reason), v_plan.run_id);
    end if;
    return v_id;
end
$$;
