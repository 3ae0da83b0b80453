-- Makes the plan of what a run has staged and number_drafts() has numbered, and returns it. A plan of the run with the
-- same content is the same plan, made again: decisions on it stay. Writes nothing in billing but the plan. The caller
-- holds the fence, whose epoch the plan keeps until it is issued.
create or replace function billing.make_plan(p_run_id bigint, p_epoch bigint) returns billing.plan
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_run billing.run;
    v_plan billing.plan;
    v_draft text := 'run_' || p_run_id || '_statement';
begin
    v_run := billing.lock_open_run(p_run_id);
    perform billing.hold_fence('issue ' || v_run.period, p_epoch);
    v_plan.plan_hash := billing.plan_hash_of(p_run_id);
    v_plan.seal := billing.seal_of(p_run_id);
    execute format(
        'select count(*), coalesce(sum(ac_count + dc_count), 0) from staging.%I d
         where not exists (select from billing.statement s where s.kind = ''connector'' and s.period = %L
                             and s.account_id = d.account_id)', v_draft, v_run.period)
    into v_plan.statements, v_plan.connectors;
    execute format('select count(distinct account_id) from staging.%I where is_quarantined', 'run_' || p_run_id || '_unbilled')
    into v_plan.on_hold;
    insert into billing.plan as p (
        run_id, period, plan_hash, seal, epoch, not_compared, statements, connectors, on_hold, first_billed)
    values (p_run_id, v_run.period, v_plan.plan_hash, v_plan.seal, p_epoch, 'no month was billed before', v_plan.statements,
            v_plan.connectors, v_plan.on_hold, 0)
    on conflict (run_id, plan_hash) do update
    set seal = excluded.seal, epoch = excluded.epoch, compared_with = excluded.compared_with,
        compared_run_id = excluded.compared_run_id, not_compared = excluded.not_compared,
        statements = excluded.statements, connectors = excluded.connectors, on_hold = excluded.on_hold,
        first_billed = excluded.first_billed, made_at = now(), superseded_at = null, superseded_by_run_id = null
    returning * into v_plan;
    return v_plan;
end
$$;
