-- The runs of a month, the newest first, for the Month page.
select run_id, dag_id, coalesce(airflow_dag_id, dag_id) as airflow_dag_id, airflow_run_id,
       state, actor, opened_at, failure, jsonb_array_length(warnings) as warnings,
       coalesce((facts ->> 'differing')::bigint, 0) as differing, facts ? 'validation_page' as has_validation_page
  from billing.run where period = %(period)s order by run_id desc limit %(limit)s;
