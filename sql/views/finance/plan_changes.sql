create or replace view finance.plan_changes with (security_barrier) as
select c.plan_id,
       p.period::text as period,
       c.account_id,
       c.currency,
       c.cause,
       c.connectors,
       round(c.minor / power(10::numeric, a.minor_unit), a.minor_unit) as amount
from billing.plan_change c
join billing.plan p using (plan_id)
join billing.plan_account a using (plan_id, account_id, currency);

comment on view finance.plan_changes is 'One row per plan, account, currency and cause: why the account differs from the month compared with. The rows of an account add up to its change exactly';
comment on column finance.plan_changes.plan_id is 'Plan';
comment on column finance.plan_changes.period is 'Billing month, YYYY-MM';
comment on column finance.plan_changes.account_id is 'Account';
comment on column finance.plan_changes.currency is 'ISO 4217 code of the amount';
comment on column finance.plan_changes.cause is 'Stable id of the cause (see docs/rules.md)';
comment on column finance.plan_changes.connectors is 'By how many billed connectors it changes the account; below zero: fewer';
comment on column finance.plan_changes.amount is 'By how much it changes the account''s total, tax included, in major units';
