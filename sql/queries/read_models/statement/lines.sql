-- A page of a connector statement's lines in key order, for its CSV. Starts after the given charger and connector, null
-- for the beginning.
select charger_id, connector_id, power_type, billing.major(unit_price_minor, %(minor_unit)s::smallint) as price
from billing.connector_decision
where period = %(period)s and account_id = %(account)s and rule_id is null
  and (%(charger)s::text is null or (charger_id, connector_id) > (%(charger)s, %(connector)s::integer))
order by charger_id, connector_id
limit %(most)s;
