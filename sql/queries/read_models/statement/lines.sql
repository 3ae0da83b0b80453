-- A page of a connector statement's lines, in order of the key, for its CSV. Parameters: period, account, charger and
-- connector (after these; null: from the first), most.
select charger_id, connector_id, power_type, unit_price_minor
from billing.connector_decision
where period = %(period)s and account_id = %(account)s and rule_id is null
  and (%(charger)s::text is null or (charger_id, connector_id) > (%(charger)s, %(connector)s::integer))
order by charger_id, connector_id
limit %(most)s;
