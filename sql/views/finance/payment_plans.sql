create or replace view finance.payment_plans with (security_barrier) as
select p.statement_id, p.planned_at, p.reason_id, p.detail, p.decided_at
from billing.payment_plan p join billing.receivable r using (statement_id)
where p.reason_id <> 'PAID' and r.balance_minor > 0;

comment on view finance.payment_plans is 'One row per unpaid statement whose collection failed: when it is retried automatically, or why not';
comment on column finance.payment_plans.statement_id is 'Connector statement';
comment on column finance.payment_plans.planned_at is 'Earliest time of the next automatic retry; null if there is none';
comment on column finance.payment_plans.reason_id is 'Stable id of the reason (see docs/rules.md)';
comment on column finance.payment_plans.detail is 'The reason in plain words';
comment on column finance.payment_plans.decided_at is 'When this was planned';
