-- Adds an approval policy, for `evbilling policy` and its page, with one audit event; returns its id, or null if the
-- latest of the same period is equal. `p_seen` is the id of the newest policy that the person has seen: EV004 if
-- another was recorded since. Null: whatever there is.
create or replace function billing.record_policy(
    p_effective_from text, p_mode text, p_max_connector_change_percent numeric, p_max_money_change_percent numeric,
    p_max_account_change_percent numeric, p_account_change_floor numeric, p_max_accounts_on_hold integer,
    p_max_expected_on_hold numeric, p_ask_first_month_of_account boolean, p_ask_first_month boolean,
    p_four_eyes boolean, p_deadline_hours integer, p_remind_hours integer, p_late_after_hours integer,
    p_canary_statements integer, p_actor text, p_reason text, p_seen bigint default null)
returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_newest billing.approval_policy;
    v_same billing.approval_policy;
    v_id bigint;
begin
    if coalesce(trim(p_actor), '') = '' or coalesce(trim(p_reason), '') = '' then
        raise exception 'a policy is recorded with who and why' using errcode = 'EV004';
    elsif 'NaN' = any (array[p_max_connector_change_percent, p_max_money_change_percent, p_max_account_change_percent,
                             p_account_change_floor, p_max_expected_on_hold]) then
        raise exception 'a limit is NaN, which is no number' using errcode = 'EV004', hint = 'write it in plain digits';
    end if;
    perform billing.take_lock('settings');
    select * into v_newest from billing.approval_policy order by policy_id desc limit 1;
    select * into v_same from billing.approval_policy where effective_from = p_effective_from
    order by policy_id desc limit 1;
    if (v_same.mode, v_same.max_connector_change_percent, v_same.max_money_change_percent,
        v_same.max_account_change_percent, v_same.account_change_floor, v_same.max_accounts_on_hold,
        v_same.max_expected_on_hold, v_same.ask_first_month_of_account, v_same.ask_first_month, v_same.four_eyes,
        v_same.deadline_hours, v_same.remind_hours, v_same.late_after_hours, v_same.canary_statements)
       is not distinct from
       (p_mode, p_max_connector_change_percent, p_max_money_change_percent, p_max_account_change_percent,
        p_account_change_floor, p_max_accounts_on_hold, p_max_expected_on_hold, p_ask_first_month_of_account,
        p_ask_first_month, p_four_eyes, p_deadline_hours, p_remind_hours, p_late_after_hours, p_canary_statements) then
        return null;
    end if;
    if v_newest.policy_id > p_seen then
        raise exception '% has recorded another policy meanwhile, at % UTC, so nothing was saved', v_newest.actor,
            to_char(v_newest.recorded_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI')
            using errcode = 'EV004', hint = 'look at the policy now, and save again what should still apply';
    end if;
    insert into billing.approval_policy (
        effective_from, mode, max_connector_change_percent, max_money_change_percent, max_account_change_percent,
        account_change_floor, max_accounts_on_hold, max_expected_on_hold, ask_first_month_of_account, ask_first_month,
        four_eyes, deadline_hours, remind_hours, late_after_hours, canary_statements, actor, reason)
    values (p_effective_from, p_mode, p_max_connector_change_percent, p_max_money_change_percent,
            p_max_account_change_percent, p_account_change_floor, p_max_accounts_on_hold, p_max_expected_on_hold,
            p_ask_first_month_of_account, p_ask_first_month, p_four_eyes, p_deadline_hours, p_remind_hours,
            p_late_after_hours, p_canary_statements, p_actor, p_reason)
    returning policy_id into v_id;
    insert into billing.audit_event (actor, action, subject_id, reason)
    values (p_actor, 'set_approval_policy', p_effective_from, p_reason);
    return v_id;
end
$$;
