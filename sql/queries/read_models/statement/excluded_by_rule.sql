-- How many of an account's connectors each rule excluded, for its statement's page and PDF. Looks at every connector of
-- the account: a second for five million. Parameters: period, account.
select rule_id, count(*) as connectors
from billing.connector_decision
where period = %(period)s and account_id = %(account)s and rule_id is not null
group by rule_id
order by rule_id;
