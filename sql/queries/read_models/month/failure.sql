-- Why the newest run of a DAG run stopped, by its record.
select failure from billing.run
where airflow_run_id = %(airflow_run_id)s and coalesce(airflow_dag_id, dag_id) = %(dag_id)s
order by run_id desc limit 1
