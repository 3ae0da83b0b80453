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

comment on view finance.unbilled_accounts is 'One row per reason why an account with billing on has no connector statement for the period';
comment on column finance.unbilled_accounts.period is 'Billing month, YYYY-MM';
comment on column finance.unbilled_accounts.account_id is 'Account without a connector statement';
comment on column finance.unbilled_accounts.reason_id is 'Stable id of the reason (see docs/rules.md)';
comment on column finance.unbilled_accounts.detail is 'The reason in plain words, with what to fix';
comment on column finance.unbilled_accounts.expected_connector_count is 'Connectors that would have been billed without this reason';
comment on column finance.unbilled_accounts.expected_amount is 'Amount that was expected to be billed, tax included, in major units; the same on each of an account''s rows';
comment on column finance.unbilled_accounts.currency is 'Currency of the expected amount, as the platform has it; null if it has none';
comment on column finance.unbilled_accounts.is_quarantined is 'True: fix the fault, then re-run the period; false: there is nothing to bill';
