-- Records that a run begins and returns its id. Its source and the way it is split are not known yet. `p_dag_id` is its
-- kind, `p_airflow_dag_id` the DAG if that is another. `p_account_ids`: it issues only what these accounts are missing,
-- in a month that is billed: the first run of a month is of all accounts (EV004).
create or replace function billing.open_run(
    p_dag_id text, p_airflow_run_id text, p_period text, p_actor text, p_code_version text, p_deliver text,
    p_account_ids text[] default null, p_airflow_dag_id text default null)
returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_run_id bigint;
begin
    if p_account_ids is not null and not exists (
        select from billing.run
        where period = p_period and dag_id = p_dag_id and state in ('issued', 'unchanged', 'differs')) then
        raise exception '% isn''t billed yet%', p_period,
            case when billing.is_partly_issued(p_period) then ': only its canary is issued'
                 else ', so nothing is missing' end
            using errcode = 'EV004', hint = 'bill the whole month from its page: that issues all that is missing';
    end if;
    insert into billing.run (
        dag_id, airflow_run_id, period, actor, code_version, source, deliver, shard_count, account_ids, airflow_dag_id)
    values (p_dag_id, p_airflow_run_id, p_period, p_actor, p_code_version, '', p_deliver, 1, p_account_ids,
            nullif(p_airflow_dag_id, p_dag_id))
    returning run_id into v_run_id;
    return v_run_id;
end
$$;
