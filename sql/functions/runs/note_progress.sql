-- Notes how far a step is, and removes what earlier runs of the same DAG and month left, and what is older than 40
-- days. A step is noted each half minute; what wasn't noted for two minutes was killed.
create or replace function billing.note_progress(
    p_dag_id text, p_airflow_run_id text, p_step text, p_part integer, p_parts integer, p_period text, p_state text,
    p_unit text, p_done bigint, p_total bigint, p_failed bigint, p_per_second double precision)
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    insert into billing.progress as p (
        dag_id, airflow_run_id, step, part, parts, period, state, unit, done, total, failed, per_second)
    values (
        p_dag_id, p_airflow_run_id, p_step, p_part, p_parts, p_period, p_state, p_unit, p_done, p_total, p_failed,
        p_per_second)
    on conflict (dag_id, airflow_run_id, step, part) do update
    set parts = excluded.parts, period = excluded.period, state = excluded.state, unit = excluded.unit,
        done = excluded.done, total = excluded.total, failed = excluded.failed, per_second = excluded.per_second,
        noted_at = clock_timestamp();
    -- Locked rows are another run's, which removes them itself.
    delete from billing.progress p
    where p.ctid = any (array(
        select old.ctid from billing.progress old
        where (old.dag_id = p_dag_id and old.period is not distinct from p_period
               and old.airflow_run_id <> p_airflow_run_id
               and (old.state <> 'under way' or old.noted_at < clock_timestamp() - interval '2 minutes'))
           or old.noted_at < clock_timestamp() - interval '40 days'
        for update skip locked));
end
$$;
