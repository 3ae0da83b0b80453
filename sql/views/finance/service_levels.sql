create or replace view finance.service_levels with (security_barrier) as
select l.service_level,
       l.period,
       l.state,
       l.due_at,
       l.late_since,
       l.done_at,
       l.reason_id,
       l.reason,
       l.reason_since,
       l.accounts,
       l.statements,
       l.money,
       l.dag_id,
       l.airflow_run_id
from billing.service_levels_at(now()) l;

comment on view finance.service_levels is 'One row per service level and month, day or moment: what should have happened by when, and whether it has';
comment on column finance.service_levels.service_level is 'connector_statements and account_statements: the month is issued; charges: its statements are charged; payment_retries, payment_reconciliation, missed_months: the daily run ended; mail_delivery: mail is sent; gateway: the gateway accepts our requests; approval: a month waits for a person';
comment on column finance.service_levels.period is 'Billing month YYYY-MM, or the day YYYY-MM-DD of a daily run; null for mail_delivery and gateway';
comment on column finance.service_levels.state is 'ok: done, or nothing waits; due: not done, and not due yet; late: not done in time';
comment on column finance.service_levels.due_at is 'By when it is to be done, by billing.service_level_policy; approval: the time of the reminder; null if nothing waits';
comment on column finance.service_levels.late_since is 'The time limit that passed; null unless it is late';
comment on column finance.service_levels.done_at is 'When it was done; null if it isn''t, or isn''t known';
comment on column finance.service_levels.reason_id is 'NO_RUN: no run began (its DAG is paused, or Airflow doesn''t run); RUN_FAILED; RUN_UNDER_WAY; WAITING_FOR_APPROVAL; CHARGING_ON_HOLD: after a restore; GATEWAY_REFUSES; MAIL_REFUSED; NOT_SENT; null if nothing is wrong';
comment on column finance.service_levels.reason is 'The reason in plain words, with the first line of a failed run''s message';
comment on column finance.service_levels.reason_since is 'Since when the reason applies; null if it isn''t known';
comment on column finance.service_levels.accounts is 'Accounts concerned; a month that isn''t billed: as many as in the last month billed';
comment on column finance.service_levels.statements is 'Statements concerned; null if there are none yet';
comment on column finance.service_levels.money is 'Amounts concerned in major units, as texts by ISO 4217 code; a month that isn''t billed: that of the last month billed';
comment on column finance.service_levels.dag_id is 'DAG that does it';
comment on column finance.service_levels.airflow_run_id is 'DAG run that the reason is about; null if there is none';
