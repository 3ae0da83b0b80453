-- One part of the chargers around the count, for the extraction. `began` and `ended` are set only between the first and
-- the last count: almost every row holds throughout. {in_part} and {shard} use the hash that Postgres uses for hash
-- partitions, so that a shard is staged straight into its partition.
select charger_id, account_id, name, site, scope_status, ({shard})::smallint as shard,
       (case when valid_from > %(first)s then valid_from end)::timestamptz as began,
       (case when valid_to <= %(last)s then valid_to end)::timestamptz as ended
from {charger} as ch
where (valid_from is null or valid_from <= %(last)s) and (valid_to is null or valid_to > %(first)s) and {in_part}
