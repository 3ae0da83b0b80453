-- Rejects the plan that waits for a person with a run that was ended in Airflow, where nobody can answer it any more,
-- and marks the run as failed; returns how many plans. p_dag_id is the DAG, which of bill_month isn't the run's own.
-- requires: functions/approvals/decide_on_plan.sql
-- requires: functions/runs/fail_run.sql
create or replace function billing.reject_ended_run(p_dag_id text, p_airflow_run_id text, p_actor text) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_asked record;
    v_count bigint := 0;
begin
    for v_asked in
        select p.plan_id, p.plan_hash, q.scope, r.run_id
        from billing.run r
        join billing.plan p using (run_id)
        join billing.approval_request q using (plan_id)
        where r.airflow_run_id = p_airflow_run_id and coalesce(r.airflow_dag_id, r.dag_id) = p_dag_id
          and p.issued_at is null and p.superseded_at is null
          and not exists (select from billing.plan_decision d
                          where d.plan_id = q.plan_id and (d.scope = q.scope or d.decision = 'rejected'))
    loop
        perform billing.decide_on_plan(v_asked.plan_id, v_asked.plan_hash, v_asked.scope, 'rejected', 'person', p_actor,
                                       'the run that waited with it was ended in Airflow');
        perform billing.fail_run(v_asked.run_id, 'the run was ended in Airflow while its plan waited for a person');
        v_count := v_count + 1;
    end loop;
    return v_count;
end
$$;
