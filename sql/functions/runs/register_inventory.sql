-- Registers a shard's extracted inventory and what its chargers are called, of a run without an outcome. A later
-- extraction of the same shard replaces it; an equal one writes nothing.
create or replace function billing.register_inventory(
    p_run_id bigint, p_shard integer, p_uri text, p_sha256 text, p_rows bigint, p_orphans bigint,
    p_names_uri text default null, p_names_sha256 text default null)
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform billing.lock_open_run(p_run_id);
    insert into billing.run_shard as s (
        run_id, shard, inventory_uri, inventory_sha256, extracted_rows, orphans, names_uri, names_sha256)
    values (p_run_id, p_shard, p_uri, p_sha256, p_rows, p_orphans, p_names_uri, p_names_sha256)
    on conflict (run_id, shard) do update
    set inventory_uri = excluded.inventory_uri, inventory_sha256 = excluded.inventory_sha256,
        extracted_rows = excluded.extracted_rows, orphans = excluded.orphans, names_uri = excluded.names_uri,
        names_sha256 = excluded.names_sha256
    where (s.inventory_sha256, s.orphans, s.names_sha256)
          is distinct from (excluded.inventory_sha256, excluded.orphans, excluded.names_sha256);
end
$$;
