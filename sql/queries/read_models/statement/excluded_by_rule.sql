-- How many of an account's connectors each rule excluded, for its statement's page and PDF. Reads every connector of
-- the account: one second for five million.
select rule_id, count(*) as connectors
from billing.connector_decision
where period = %(period)s and account_id = %(account)s and rule_id is not null
group by rule_id
order by rule_id;
