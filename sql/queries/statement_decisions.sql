-- What was decided on an account's connectors, by rule (none: billed), for its statement's page and PDF: how many
-- connectors, and on how many chargers. Parameters: period, account.
select rule_id, sum(connectors)::bigint as connectors, count(*) as chargers
from (select rule_id, charger_id, count(*) as connectors
      from billing.connector_decision
      where period = %(period)s and account_id = %(account)s
      group by rule_id, charger_id) c
group by rule_id
order by rule_id;
