-- Creates the empty tables of an attempt that open_shard() gave this epoch, of its decisions and of its chargers'
-- names; fails if they exist. Autovacuum stays away from the decisions until they are published. No fence is held: an
-- attempt that is paused here blocks nobody, and close_shard() refuses a late one.
create or replace function billing.make_shard_table(p_run_id bigint, p_shard integer, p_epoch bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_table text := format('run_%s_shard_%s_try_%s', p_run_id, p_shard, p_epoch);
begin
    execute format('create table staging.%I (like staging.%I including defaults including constraints)
                    with (autovacuum_enabled = false)', v_table, 'run_' || p_run_id);
    execute format(
        'create table staging.%I (account_id text not null, charger_id text not null, name text, site text,
             scope_status text, standard text, standards jsonb) with (autovacuum_enabled = false)', v_table || '_names');
    execute format('grant select, insert on staging.%I to evbilling_writer', v_table);
    execute format('grant insert on staging.%I to evbilling_writer', v_table || '_names');
end
$$;
