-- How many chargers a connector statement bills, up to `most`: in the order of the key, so that it stops there. For its
-- page and PDF. Parameters: period, account, most.
select count(*) as chargers
from (select charger_id from billing.connector_decision
      where period = %(period)s and account_id = %(account)s and rule_id is null
      group by charger_id order by charger_id limit %(most)s) c;
