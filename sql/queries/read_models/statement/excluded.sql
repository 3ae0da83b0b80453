-- A page of the connectors that a statement's account didn't have to pay for, with their rule, in order of the key; for
-- the statement's page. Parameters: period, account, charger and connector (after these; null: from the first), most.
select charger_id, connector_id, power_type, rule_id
from billing.connector_decision
where period = %(period)s and account_id = %(account)s and rule_id is not null
  and (%(charger)s::text is null or (charger_id, connector_id) > (%(charger)s, %(connector)s::integer))
order by charger_id, connector_id
limit %(most)s;
