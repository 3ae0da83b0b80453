create or replace view finance.withheld_account_statements with (security_barrier) as
select w.period::text as period, w.account_id, w.reason_id, w.detail
from billing.withheld_account w
where w.resolved_by_run_id is null;

comment on view finance.withheld_account_statements is 'One row per reason why an account with something to state has no account statement; its items go on the next one';
comment on column finance.withheld_account_statements.period is 'Billing month, YYYY-MM';
comment on column finance.withheld_account_statements.account_id is 'Account without an account statement';
comment on column finance.withheld_account_statements.reason_id is 'Stable id of the reason (see docs/rules.md)';
comment on column finance.withheld_account_statements.detail is 'The reason in plain words, with what to fix';
