-- How many chargers a connector statement bills, up to `most`, for its page and PDF. In key order, so that it can stop
-- there.
select count(*) as chargers
from (select charger_id from billing.connector_decision
      where period = %(period)s and account_id = %(account)s and rule_id is null
      group by charger_id order by charger_id limit %(most)s) c;
