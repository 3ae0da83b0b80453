-- Locks a plan that a decision may still be taken on, as whoever decides has seen it, and returns it. EV001: it was
-- superseded or issued. EV004: there is no such plan, or its hash is another.
create or replace function billing.lock_undecided_plan(p_plan_id bigint, p_plan_hash text) returns billing.plan
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_plan billing.plan;
begin
    select * into v_plan from billing.plan where plan_id = p_plan_id for update;
    if v_plan.plan_id is null then
        raise exception 'there is no plan %', p_plan_id using errcode = 'EV004', hint = 'look at the page Month';
    elsif v_plan.plan_hash is distinct from p_plan_hash then
        raise exception 'the plan that was seen isn''t plan % of %: its hash is another', p_plan_id, v_plan.period
            using errcode = 'EV004', hint = 'look at the plan as it is now, and decide anew';
    elsif v_plan.superseded_at is not null or exists (
        select from billing.plan newer
        where newer.period = v_plan.period and newer.plan_id > v_plan.plan_id and newer.superseded_at is null
    ) then
        raise exception 'plan % of % was superseded: the month was planned again', p_plan_id, v_plan.period
            using errcode = 'EV001', hint = 'look at the newer plan, and decide on that';
    elsif v_plan.issued_at is not null then
        raise exception 'plan % of % is issued already', p_plan_id, v_plan.period using errcode = 'EV001';
    end if;
    return v_plan;
end
$$;
