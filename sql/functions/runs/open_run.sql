-- Records that a run begins and returns its id. Its source and the way it is split are not known yet.
create or replace function billing.open_run(
    p_dag_id text, p_airflow_run_id text, p_period text, p_actor text, p_code_version text, p_deliver text)
returns bigint
language sql security definer set search_path = pg_catalog, pg_temp as $$
    insert into billing.run (dag_id, airflow_run_id, period, actor, code_version, source, deliver, shard_count)
    values (p_dag_id, p_airflow_run_id, p_period, p_actor, p_code_version, '', p_deliver, 1)
    returning run_id
$$;
