create or replace view finance.statement_lines with (security_barrier) as
select s.statement_id,
       d.period,
       d.account_id,
       d.charger_id,
       d.connector_id,
       d.power_type,
       round(d.unit_price_minor / power(10::numeric, s.minor_unit), s.minor_unit) as unit_price,
       round(d.unit_price_minor / power(10::numeric, s.minor_unit), s.minor_unit) as net_amount,
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
join billing.statement s
  on s.kind = 'connector' and s.revision = 0 and s.period = d.period and s.account_id = d.account_id
where d.rule_id is null;

comment on view finance.statement_lines is 'One row per billed connector of an issued connector statement';
comment on column finance.statement_lines.statement_id is 'Connector statement that bills the connector';
comment on column finance.statement_lines.period is 'Billing month, YYYY-MM; always filter by it: each month is a partition of its own. Archived months have no rows';
comment on column finance.statement_lines.account_id is 'Account billed';
comment on column finance.statement_lines.charger_id is 'Charger, as the charging platform names it';
comment on column finance.statement_lines.connector_id is 'Connector of the charger, from 1';
comment on column finance.statement_lines.power_type is 'AC or DC';
comment on column finance.statement_lines.unit_price is 'Monthly fee for this connector, in major units of the statement''s currency';
comment on column finance.statement_lines.net_amount is 'Amount of the line before tax; equals the unit price (no proration)';
comment on column finance.statement_lines.charger_name is 'What the charger was called at the count; null: it has no name, or the month was counted before names were kept';
comment on column finance.statement_lines.site is 'Where the charger was at the count; null: as charger_name';
comment on column finance.statement_lines.scope_status is 'Scope status of the charger at the count, as the charging platform has it; null: as charger_name';
comment on column finance.statement_lines.standard is 'Standard of the connector at the count, such as IEC_62196_T2; null: as charger_name';
