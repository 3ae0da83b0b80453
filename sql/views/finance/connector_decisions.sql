create or replace view finance.connector_decisions with (security_barrier) as
select d.period,
       d.account_id,
       d.charger_id,
       d.connector_id,
       d.rule_id is null as is_billed,
       d.rule_id,
       s.statement_id
from billing.connector_decision d
left join billing.statement s
  on s.kind = 'connector' and s.revision = 0 and s.period = d.period and s.account_id = d.account_id
     and d.rule_id is null;

comment on view finance.connector_decisions is 'One row per connector of an account with billing on that was not quarantined: billed, or excluded by one rule';
comment on column finance.connector_decisions.period is 'Billing month, YYYY-MM; always filter by it: each month is a partition of its own. Archived months have no rows';
comment on column finance.connector_decisions.account_id is 'Account at which the connector was counted';
comment on column finance.connector_decisions.charger_id is 'Charger, as the charging platform names it';
comment on column finance.connector_decisions.connector_id is 'Connector of the charger; 0 is the station itself';
comment on column finance.connector_decisions.is_billed is 'True if the connector is on the account''s connector statement';
comment on column finance.connector_decisions.rule_id is 'Rule that excluded the connector (see docs/rules.md); null if billed';
comment on column finance.connector_decisions.statement_id is 'Connector statement that bills it; null if excluded';
