-- Marks as superseded the runs that earlier tries of the same task of the same DAG run have left open.
create or replace function billing.supersede_earlier_tries(p_run_id bigint) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    update billing.run old set state = 'superseded' from billing.run new
    where new.run_id = p_run_id
      and (old.period, old.dag_id, old.airflow_run_id) = (new.period, new.dag_id, new.airflow_run_id)
      and old.run_id < new.run_id and old.state = 'open'
$$;
