-- One shard of a period's decisions as it is archived in files. In key order, so that equal decisions are equal bytes
-- and compress well.
select period, account_id, charger_id, connector_id, power_type, rule_id, unit_price_minor
from {shard} order by account_id, charger_id, connector_id
