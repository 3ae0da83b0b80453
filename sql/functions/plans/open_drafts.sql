-- Empties a run's tables of drafts and lets the writer fill them, until number_drafts() closes them in the same
-- transaction. Plans of the period that aren't issued are superseded: the caller holds a newer fence than theirs.
create or replace function billing.open_drafts(p_run_id bigint, p_epoch bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_run billing.run;
    v_draft text := 'run_' || p_run_id || '_statement';
    v_unbilled text := 'run_' || p_run_id || '_unbilled';
begin
    v_run := billing.lock_open_run(p_run_id);
    perform billing.hold_fence('issue ' || v_run.period, p_epoch);
    perform billing.supersede_plans(v_run.period, p_run_id);
    execute format('truncate staging.%I, staging.%I', v_draft, v_unbilled);
    execute format('grant insert on staging.%I, staging.%I to evbilling_writer', v_draft, v_unbilled);
end
$$;
