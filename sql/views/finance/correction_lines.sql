create or replace view finance.correction_lines with (security_barrier) as
select l.correction_id as statement_id,
       l.period::text as period,
       l.account_id,
       l.charger_id,
       l.connector_id,
       l.power_type,
       round(l.before_minor / power(10::numeric, s.minor_unit), s.minor_unit) as unit_price_before,
       round(l.after_minor / power(10::numeric, s.minor_unit), s.minor_unit) as unit_price,
       l.rule_id,
       round((coalesce(l.after_minor, 0) - coalesce(l.before_minor, 0)) / power(10::numeric, s.minor_unit),
             s.minor_unit)
           as net_amount
from billing.correction_line l join billing.statement s on s.statement_id = l.correction_id;

comment on view finance.correction_lines is 'One row per connector that a correction changes';
comment on column finance.correction_lines.statement_id is 'Correction (C…) that lists the change';
comment on column finance.correction_lines.period is 'Billing month of the corrected statement, YYYY-MM';
comment on column finance.correction_lines.account_id is 'Account corrected';
comment on column finance.correction_lines.charger_id is 'Charger, as the charging platform names it';
comment on column finance.correction_lines.connector_id is 'Connector of the charger';
comment on column finance.correction_lines.power_type is 'AC or DC, as it is now';
comment on column finance.correction_lines.unit_price_before is 'What was billed for the connector until then; null: nothing';
comment on column finance.correction_lines.unit_price is 'What is billed for it now; null: nothing';
comment on column finance.correction_lines.rule_id is 'Rule that excludes it now (see docs/rules.md); null if it is billed, or no longer the account''s';
comment on column finance.correction_lines.net_amount is 'By how much the line changes the net amount';
