create or replace view finance.connector_decisions with (security_barrier) as
select d.period,
       d.account_id,
       d.charger_id,
       d.connector_id,
       d.rule_id is null as is_billed,
       d.rule_id,
       s.statement_id,
       (select n.name from billing.charger_name n
        where n.account_id = d.account_id and n.charger_id = d.charger_id and n.from_period <= d.period
        order by n.from_period desc limit 1) as charger_name,
       (select n.site from billing.charger_name n
        where n.account_id = d.account_id and n.charger_id = d.charger_id and n.from_period <= d.period
        order by n.from_period desc limit 1) as site,
       (select n.scope_status from billing.charger_name n
        where n.account_id = d.account_id and n.charger_id = d.charger_id and n.from_period <= d.period
        order by n.from_period desc limit 1) as scope_status,
       (select coalesce(n.standards ->> d.connector_id::text, case when d.connector_id > 0 then n.standard end)
        from billing.charger_name n
        where n.account_id = d.account_id and n.charger_id = d.charger_id and n.from_period <= d.period
        order by n.from_period desc limit 1) as standard
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
comment on column finance.connector_decisions.charger_name is 'What the charger was called at the count; null: it has no name, or the month was counted before names were kept';
comment on column finance.connector_decisions.site is 'Where the charger was at the count; null: as charger_name';
comment on column finance.connector_decisions.scope_status is 'Scope status of the charger at the count, as the charging platform has it; null: as charger_name';
comment on column finance.connector_decisions.standard is 'Standard of the connector at the count, such as IEC_62196_T2; null: as charger_name';
