-- Creates the empty table platform_12_charger for run 12's copy of a file; false if there is one already. Parts of one
-- run ask at the same time: the first copies, the others wait for its commit.
create or replace function billing.open_copy(p_run_id bigint, p_table text, p_columns text[], p_types text[])
returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_table text := format('platform_%s_%s', p_run_id, p_table);
begin
    if (p_types <@ array['text', 'boolean', 'integer', 'timestamptz', 'numeric']
        and cardinality(p_types) = cardinality(p_columns)) is distinct from true then
        raise exception 'a copy of % has columns of other types than files have: %', p_table, p_types
            using errcode = 'EV004';
    end if;
    perform billing.take_lock('files of run ' || p_run_id, '30 minutes');
    if exists (select from pg_class where relname = v_table and relnamespace = 'staging'::regnamespace) then
        return false;
    end if;
    -- Unlogged: files can be copied again; a database crash empties the copy, and the row counts tell.
    execute format('create unlogged table staging.%I (%s)', v_table, (
        select string_agg(format('%I %s', c.name, c.type), ', ' order by c.place)
        from unnest(p_columns, p_types) with ordinality c (name, type, place)));
    execute format('grant select, insert on staging.%I to evbilling_writer', v_table);
    return true;
end
$$;
