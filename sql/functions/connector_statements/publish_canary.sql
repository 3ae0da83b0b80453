-- Publishes the canary of a run's plan, in the caller's one short transaction: the decisions and statements of its
-- accounts, with the period's first numbers, so that a rejection of the rest leaves no gap. Accounts without a
-- statement are published with the rest. Returns the rows written of each; 0 if the canary is issued already. Refuses
-- what publish_connector_statements() does: all that the run has staged must be its plan, and the canary approved.
create or replace function billing.publish_canary(
    p_run_id bigint, p_epoch bigint, p_actor text, p_reason text, out statements integer, out decisions bigint
)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_run billing.run;
    v_plan billing.plan;
    v_only text[];
    v_last integer;
begin
    v_run := billing.lock_open_run(p_run_id);
    perform billing.hold_fence('issue ' || v_run.period, p_epoch);
    v_plan := billing.require_plan(p_run_id, p_epoch);
    perform billing.require_approval(v_plan, 'canary');
    if v_plan.canary_issued_at is not null then
        statements := 0;
        decisions := 0;
        return;
    end if;
    perform billing.require_unforgiven(v_plan);
    v_only := array(select account_id from billing.plan_canary where plan_id = v_plan.plan_id);
    perform billing.open_decisions(p_run_id);
    decisions := billing.add_decisions(p_run_id, v_only);

    insert into billing.statement_counter (kind, period, last_number) values ('connector', v_run.period, 0)
    on conflict do nothing;
    select last_number into v_last from billing.statement_counter
    where kind = 'connector' and period = v_run.period for update;
    statements := billing.add_statements(p_run_id, v_last, v_only);
    update billing.statement_counter set last_number = v_last + statements
    where kind = 'connector' and period = v_run.period;
    perform billing.queue_mail_of(v_run);

    update billing.plan set canary_issued_at = now() where plan_id = v_plan.plan_id;
    -- The tables that it has numbered are for a month that is issued at once.
    perform billing.number_drafts(p_run_id, p_epoch);
    insert into billing.audit_event (actor, action, subject_id, reason, run_id)
    values (p_actor, 'issue_canary', v_run.period, p_reason, p_run_id);
end
$$;
