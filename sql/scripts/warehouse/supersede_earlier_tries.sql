-- Marks as superseded the runs that earlier tries of the same task of the same DAG run have left open.
update billing.run old set state = 'superseded' from billing.run new
where new.run_id = %(run_id)s
  and (old.period, old.dag_id, old.airflow_run_id) = (new.period, new.dag_id, new.airflow_run_id)
  and old.run_id < new.run_id and old.state = 'open';
