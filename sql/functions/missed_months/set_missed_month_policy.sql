-- Records what becomes of missed months from now on: of an account or, without one, of all that have none of their own.
-- Returns the policy's id, or null if it is in force already.
create or replace function billing.set_missed_month_policy(
    p_account_id text, p_policy text, p_actor text, p_reason text)
returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_policy_id bigint;
begin
    if coalesce(trim(p_actor), '') = '' or coalesce(trim(p_reason), '') = '' then
        raise exception 'a policy is recorded with who and why' using errcode = 'EV004';
    end if;
    -- One after the other, so that two of the same kind are one.
    lock table billing.missed_month_policy in share row exclusive mode;
    if p_policy is not distinct from (
            select p.policy from billing.missed_month_policy p
            where p.account_id is not distinct from p_account_id order by p.policy_id desc limit 1) then
        return null;
    end if;
    insert into billing.missed_month_policy (account_id, policy, actor, reason)
    values (p_account_id, p_policy, p_actor, p_reason)
    returning policy_id into v_policy_id;
    insert into billing.audit_event (actor, action, subject_id, reason)
    values (p_actor, 'missed_month_policy_changed', coalesce(p_account_id, 'all accounts'), p_policy || ': ' || p_reason);
    return v_policy_id;
end
$$;
