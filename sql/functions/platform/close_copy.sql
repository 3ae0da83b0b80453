-- Makes a copy of a file ready to be read, after it was filled: its index and statistics. The writer can't change it
-- any more.
create or replace function billing.close_copy(p_run_id bigint, p_table text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_table text := format('platform_%s_%s', p_run_id, p_table);
    v_is_long boolean;
begin
    execute format('revoke insert on staging.%I from evbilling_writer', v_table);
    execute format('analyze staging.%I', v_table);
    if p_table in ('charger', 'connector') then
        execute format('select max(octet_length(charger_id)) > 2000 from staging.%I', v_table) into v_is_long;
        -- A btree has no room for a long id. Its account is quarantined, not the month stopped.
        execute format('create index on staging.%I using %s (charger_id)', v_table,
                       case when v_is_long then 'hash' else 'btree' end);
    end if;
end
$$;
