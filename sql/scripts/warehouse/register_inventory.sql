-- Registers a shard's extracted inventory. A later extraction of the same shard replaces it; an equal one writes
-- nothing.
insert into billing.run_shard as s (run_id, shard, inventory_uri, inventory_sha256, extracted_rows, orphans)
values (%(run_id)s, %(shard)s, %(uri)s, %(sha256)s, %(rows)s, %(orphans)s)
on conflict (run_id, shard) do update
set inventory_uri = excluded.inventory_uri, inventory_sha256 = excluded.inventory_sha256,
    extracted_rows = excluded.extracted_rows, orphans = excluded.orphans
where (s.inventory_sha256, s.orphans) <> (excluded.inventory_sha256, excluded.orphans);
