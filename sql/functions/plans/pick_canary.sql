-- Makes these accounts the canary of a plan, for whoever approves it in the same transaction, as they have seen it:
-- what decide_on_plan() records is then about them. EV001: the plan was superseded or issued. EV004: another hash, an
-- account without a statement in it, every statement of it, or it was decided on with another canary.
-- requires: functions/plans/fault_in_canary.sql
create or replace function billing.pick_canary(
    p_plan_id bigint, p_plan_hash text, p_account_ids text[], p_actor text
) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_picked text[] := array(select distinct n collate "C" from unnest(p_account_ids) n order by 1);
    v_plan billing.plan;
    v_fault text;
begin
    -- A task that is tried again has picked them already.
    if exists (select from billing.plan_decision where plan_id = p_plan_id) then
        if v_picked <> array(select account_id collate "C" from billing.plan_canary where plan_id = p_plan_id order by 1) then
            raise exception 'plan % was decided on already, with another canary', p_plan_id using errcode = 'EV004',
                hint = 'look at the month''s page: it has the canary';
        end if;
        return;
    end if;
    v_plan := billing.lock_undecided_plan(p_plan_id, p_plan_hash);
    v_fault := billing.fault_in_canary(v_plan, v_picked);
    if v_fault is not null then
        raise exception '%', v_fault using errcode = 'EV004',
            hint = 'name accounts that the plan has statements for, but not all of them, or none';
    end if;
    perform billing.choose_canary(v_plan, v_picked, trim(p_actor));
end
$$;
