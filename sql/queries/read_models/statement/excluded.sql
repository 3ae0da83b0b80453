-- A page of an account's connectors that aren't billed, with their rule, in key order, for the statement's page. Starts
-- after the given charger and connector, null for the beginning.
select charger_id, connector_id, power_type, rule_id
from billing.connector_decision
where period = %(period)s and account_id = %(account)s and rule_id is not null
  and (%(charger)s::text is null or (charger_id, connector_id) > (%(charger)s, %(connector)s::integer))
order by charger_id, connector_id
limit %(most)s;
