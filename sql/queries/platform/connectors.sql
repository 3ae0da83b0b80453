-- One part of the connectors around the count, for the extraction. See chargers.sql.
select charger_id, connector_id, standard, power_type, status, ({shard})::smallint as shard,
       (case when valid_from > %(first)s then valid_from end)::timestamptz as began,
       (case when valid_to <= %(last)s then valid_to end)::timestamptz as ended
from {connector} as co
where (valid_from is null or valid_from <= %(last)s) and (valid_to is null or valid_to > %(first)s) and {in_part}
