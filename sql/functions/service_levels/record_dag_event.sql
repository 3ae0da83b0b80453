-- Records that a task of a DAG run began, ended, or failed.
create or replace function billing.record_dag_event(
    p_dag_id text, p_airflow_run_id text, p_task_id text, p_period text, p_event text, p_detail text)
returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    insert into billing.dag_event (dag_id, airflow_run_id, task_id, period, event, detail)
    values (p_dag_id, p_airflow_run_id, p_task_id, p_period, p_event, left(p_detail, 2000))
$$;
