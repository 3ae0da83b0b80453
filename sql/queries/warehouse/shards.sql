-- The shards that a run has registered, in order.
select shard, inventory_uri, inventory_sha256, extracted_rows, summary_uri, summary_sha256, profile, orphans, names_uri,
       names_sha256
from billing.run_shard where run_id = %(run_id)s order by shard;
