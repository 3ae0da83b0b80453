-- One row per connector of the given accounts, as of each account's own count instant; one part of it.
-- {in_part} picks chargers by the very hash that Postgres uses for hash partitions, so that each shard of the part is
-- staged straight into its partition. {columns} is the list below, or count(*) for the number that the source itself reports.
-- at.account_id, ch.charger_id, co.connector_id, co.power_type, co.status, ch.scope_status
select {columns}
from unnest({accounts}::text[], {instants}::timestamptz[]) as at (account_id, instant)
join {charger} ch on ch.account_id = at.account_id
 and (ch.valid_from is null or ch.valid_from <= at.instant) and (ch.valid_to is null or ch.valid_to > at.instant)
 and {in_part}
join {connector} co on co.charger_id = ch.charger_id
 and (co.valid_from is null or co.valid_from <= at.instant) and (co.valid_to is null or co.valid_to > at.instant)
