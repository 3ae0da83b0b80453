-- Locks a run that has no outcome yet and returns it; fails with EV004 if it has one: its record is final then.
create or replace function billing.lock_open_run(p_run_id bigint) returns billing.run
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_run billing.run;
begin
    select * into v_run from billing.run where run_id = p_run_id for no key update;
    if v_run.run_id is null then
        raise exception 'there is no run %', p_run_id using errcode = 'EV004', hint = 'start the DAG run anew';
    elsif v_run.state in ('issued', 'unchanged', 'differs') then
        raise exception 'run % of % has its outcome already: %', p_run_id, v_run.period, v_run.state
            using errcode = 'EV004', hint = 'trigger the period again';
    end if;
    return v_run;
end
$$;
