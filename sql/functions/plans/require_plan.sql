-- Fails unless the run has a plan that may be issued now, and what it has staged is what was planned, row by row.
-- Returns the plan; it stays locked, and nobody can write to the staged tables, until the transaction ends. EV001: a
-- newer run or try has taken over, or the plan is issued already. EV004: what is staged was changed.
create or replace function billing.require_plan(p_run_id bigint, p_epoch bigint) returns billing.plan
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_plan billing.plan;
    v_tables text;
begin
    select * into v_plan from billing.plan where run_id = p_run_id
    order by superseded_at is null desc, plan_id desc limit 1 for update;
    if v_plan.plan_id is null then
        raise exception 'run % has no plan', p_run_id using errcode = 'EV004', hint = 'clear its task plan';
    elsif v_plan.issued_at is not null then
        raise exception 'plan % of % is issued already', v_plan.plan_id, v_plan.period using errcode = 'EV001';
    elsif v_plan.superseded_by_run_id <> p_run_id then
        raise exception 'run % has superseded plan % of %', v_plan.superseded_by_run_id, v_plan.plan_id, v_plan.period
            using errcode = 'EV001';
    elsif v_plan.superseded_at is not null then
        raise exception 'run % of % has staged something else since plan %', p_run_id, v_plan.period, v_plan.plan_id
            using errcode = 'EV004', hint = 'clear its task plan';
    elsif v_plan.epoch is distinct from p_epoch then
        raise exception 'epoch % is not that of plan % of %', p_epoch, v_plan.plan_id, v_plan.period
            using errcode = 'EV001';
    end if;

    select string_agg(format('staging.%I', relname), ', ') into v_tables from pg_class
    where relnamespace = 'staging'::regnamespace and relkind in ('r', 'p') and not relispartition
      and relname ~ ('^run_' || p_run_id || '(_|$)');
    if v_tables is not null then
        execute format('lock table %s in share mode', v_tables);
    end if;
    if billing.plan_hash_of(p_run_id) is distinct from v_plan.plan_hash
       or billing.seal_of(p_run_id) is distinct from v_plan.seal then
        raise exception 'what run % has staged is not plan % of %: it was changed after % UTC', p_run_id, v_plan.plan_id,
            v_plan.period, to_char(v_plan.made_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')
            using errcode = 'EV004',
            hint = 'nothing was issued; find out who changed the tables in staging, then clear the task plan';
    end if;
    return v_plan;
end
$$;
