-- The contract with finance: views only, amounts in major units beside their currency, additive changes only
-- (`create or replace view` refuses to drop, rename or retype a column). Re-made at the end of every `evbilling migrate`.
-- Every column carries a comment; `evbilling dictionary` turns them into docs/data-dictionary.md.

create or replace view finance.statements with (security_barrier) as
select s.statement_id,
       s.kind,
       case s.kind when 'connector' then 'Account Chargers' when 'account' then 'Account Statement'
                   else 'Correction' end as type_label,
       s.account_id,
       s.account_name,
       s.financial_admin_id,
       s.period::text as period,
       s.statement_date,
       s.currency,
       s.ac_count + s.dc_count as connector_count,
       round(s.net_minor / power(10::numeric, s.minor_unit), s.minor_unit) as net_amount,
       round(s.tax_minor / power(10::numeric, s.minor_unit), s.minor_unit) as tax_amount,
       round(s.total_minor / power(10::numeric, s.minor_unit), s.minor_unit) as total_amount,
       round(0::numeric, s.minor_unit) as paid_amount,
       round(s.total_minor / power(10::numeric, s.minor_unit), s.minor_unit) as balance_due,
       'Issued' as status,
       s.issued_at,
       s.corrects_statement_id
from billing.statement s;

create or replace view finance.statement_lines with (security_barrier) as
select s.statement_id,
       d.period,
       d.account_id,
       d.charger_id,
       d.connector_id,
       d.power_type,
       round(d.unit_price_minor / power(10::numeric, s.minor_unit), s.minor_unit) as unit_price,
       round(d.unit_price_minor / power(10::numeric, s.minor_unit), s.minor_unit) as net_amount
from billing.connector_decision d
join billing.statement s
  on s.kind = 'connector' and s.revision = 0 and s.period = d.period and s.account_id = d.account_id
where d.rule_id is null;

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

create or replace view finance.unbilled_accounts with (security_barrier) as
select u.period::text as period,
       u.account_id,
       u.reason_id,
       u.detail,
       u.expected_connector_count,
       u.expected_amount,
       u.currency,
       u.is_quarantined
from billing.unbilled_account u
where u.resolved_by_run_id is null;

create or replace view finance.tie_out with (security_barrier) as
select t.period::text as period,
       t.check_id,
       t.left_label,
       t.left_value,
       t.right_label,
       t.right_value,
       t.left_value - t.right_value as difference,
       t.left_value = t.right_value as is_ok
from billing.tie_out t;

create or replace view finance.audit_events with (security_barrier) as
select e.event_id, e.occurred_at, e.actor, e.action, e.subject_id, e.reason, e.run_id
from billing.audit_event e;

comment on view finance.statements is 'One row per issued statement';
comment on column finance.statements.statement_id is 'Number of the statement: A… connector statement, S… account statement, C… correction; gapless per kind and period';
comment on column finance.statements.kind is 'connector, account or correction';
comment on column finance.statements.type_label is 'The kind as people read it; connector statements are "Account Chargers"';
comment on column finance.statements.account_id is 'Account whose chargers are billed';
comment on column finance.statements.account_name is 'Name of the account when the statement was issued';
comment on column finance.statements.financial_admin_id is 'User who is charged, as set when the statement was issued';
comment on column finance.statements.period is 'Billing month, YYYY-MM';
comment on column finance.statements.statement_date is 'Date of the statement: the 1st for connector statements';
comment on column finance.statements.currency is 'ISO 4217 code of every amount in the row';
comment on column finance.statements.connector_count is 'Connectors billed on the statement; null for other kinds';
comment on column finance.statements.net_amount is 'Amount before tax, in major units of the currency';
comment on column finance.statements.tax_amount is 'Tax, rounded half-up once for the whole statement';
comment on column finance.statements.total_amount is 'Net plus tax: what is charged';
comment on column finance.statements.paid_amount is 'Collected so far, by whatever way';
comment on column finance.statements.balance_due is 'Total less what is paid';
comment on column finance.statements.status is 'Issued: nothing is collected yet';
comment on column finance.statements.issued_at is 'When the statement was issued; it never changes afterwards';
comment on column finance.statements.corrects_statement_id is 'The statement that a correction corrects; null for others';

comment on view finance.statement_lines is 'One row per billed connector of an issued connector statement';
comment on column finance.statement_lines.statement_id is 'Connector statement that bills the connector';
comment on column finance.statement_lines.period is 'Billing month, YYYY-MM; always filter by it: each month is a partition of its own';
comment on column finance.statement_lines.account_id is 'Account billed';
comment on column finance.statement_lines.charger_id is 'Charger, as the charging platform names it';
comment on column finance.statement_lines.connector_id is 'Connector of the charger, from 1';
comment on column finance.statement_lines.power_type is 'AC or DC';
comment on column finance.statement_lines.unit_price is 'Monthly fee for this connector, in major units of the statement''s currency';
comment on column finance.statement_lines.net_amount is 'Amount of the line before tax; equals the unit price (no proration)';

comment on view finance.connector_decisions is 'One row per connector of an account with billing on that was not quarantined: billed, or excluded by one rule';
comment on column finance.connector_decisions.period is 'Billing month, YYYY-MM; always filter by it: each month is a partition of its own';
comment on column finance.connector_decisions.account_id is 'Account at which the connector was counted';
comment on column finance.connector_decisions.charger_id is 'Charger, as the charging platform names it';
comment on column finance.connector_decisions.connector_id is 'Connector of the charger; 0 is the station itself';
comment on column finance.connector_decisions.is_billed is 'True if the connector is on the account''s connector statement';
comment on column finance.connector_decisions.rule_id is 'Rule that excluded the connector (see docs/rules.md); null if billed';
comment on column finance.connector_decisions.statement_id is 'Connector statement that bills it; null if excluded';

comment on view finance.unbilled_accounts is 'One row per reason why an account with billing on has no connector statement for the period';
comment on column finance.unbilled_accounts.period is 'Billing month, YYYY-MM';
comment on column finance.unbilled_accounts.account_id is 'Account without a connector statement';
comment on column finance.unbilled_accounts.reason_id is 'Stable id of the reason (see docs/rules.md)';
comment on column finance.unbilled_accounts.detail is 'The reason in plain words, with what to mend';
comment on column finance.unbilled_accounts.expected_connector_count is 'Connectors that would have been billed but for the reason';
comment on column finance.unbilled_accounts.expected_amount is 'Money they were expected to bring, tax included, in major units; the same on each of an account''s rows';
comment on column finance.unbilled_accounts.currency is 'Currency of the expected amount, as the platform has it; null if it has none';
comment on column finance.unbilled_accounts.is_quarantined is 'True: a fault to mend, then re-run the period; false: there is nothing to bill';

comment on view finance.tie_out is 'Figures that must agree, each pair counted in two independent ways when the run closed';
comment on column finance.tie_out.period is 'Billing month, YYYY-MM';
comment on column finance.tie_out.check_id is 'Stable id of the check; one per currency where money is compared';
comment on column finance.tie_out.left_label is 'What the left figure is';
comment on column finance.tie_out.left_value is 'Left figure';
comment on column finance.tie_out.right_label is 'What the right figure is';
comment on column finance.tie_out.right_value is 'Right figure';
comment on column finance.tie_out.difference is 'Left less right';
comment on column finance.tie_out.is_ok is 'True if the two figures are equal';

comment on view finance.audit_events is 'One row per deed that changed what is billed: who, what, why';
comment on column finance.audit_events.event_id is 'Number of the event, ascending';
comment on column finance.audit_events.occurred_at is 'When it was done';
comment on column finance.audit_events.actor is 'Who did it: a person, or the DAG run for scheduled work';
comment on column finance.audit_events.action is 'What was done, as a verb phrase';
comment on column finance.audit_events.subject_id is 'What it was done to: an account, a period or a statement';
comment on column finance.audit_events.reason is 'Why, in the words of who did it';
comment on column finance.audit_events.run_id is 'The billing run it belongs to, if any';

grant select on all tables in schema finance to finance_reader, evbilling_writer;
