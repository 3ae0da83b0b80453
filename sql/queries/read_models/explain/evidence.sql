-- The evidence of a run that a charger is in: the shard in which the month's decisions would place it.
select h.run_id, h.inventory_uri, h.inventory_sha256, h.names_uri, h.names_sha256
from billing.run r
join billing.run_shard h using (run_id)
where r.run_id = %(run)s
  and satisfies_hash_partition(to_regclass(%(decisions)s), r.shard_count, h.shard, %(charger)s::text);
