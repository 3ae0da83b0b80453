-- Drops the staging tables of one run of either monthly DAG and its copies of files, if there are any.
create or replace function billing.drop_stage(p_run_id bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_table regclass;
begin
    -- One at a time: runs of one period drop the same abandoned stage, and shards of one run open the same new one.
    perform billing.take_lock('stage', '2 minutes');
    for v_table in
        select c.oid from pg_class c
        where c.relnamespace = 'staging'::regnamespace and c.relkind in ('p', 'r') and not c.relispartition
          and c.relname ~ ('^(run|account_run|platform)_' || p_run_id || '(_|$)')
    loop
        execute format('drop table %s', v_table);
    end loop;
end
$$;
