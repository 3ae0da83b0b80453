-- One shard of a period's decisions as it is kept in files, for `evbilling archive`. In the order of its key, so that
-- the same decisions are the same bytes, and compress well.
select period, account_id, charger_id, connector_id, power_type, rule_id, unit_price_minor
from {shard} order by account_id, charger_id, connector_id
