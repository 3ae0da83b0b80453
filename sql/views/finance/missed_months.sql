create or replace view finance.missed_months with (security_barrier) as
select m.period,
       m.account_id,
       m.reason_id,
       m.reason,
       m.due_at,
       m.days_late
from billing.missed_months_at(now()) m;

comment on view finance.missed_months is 'One row per account and month that it was to be billed for and wasn''t, though nothing on record says why';
comment on column finance.missed_months.period is 'Billing month, YYYY-MM; from the first month ever billed on';
comment on column finance.missed_months.account_id is 'Account that a setting in force charges for the month';
comment on column finance.missed_months.reason_id is 'NEVER-BILLED: no run has billed the month; ENABLED-LATE: a setting recorded after the month was billed charges the account';
comment on column finance.missed_months.reason is 'The reason in plain words';
comment on column finance.missed_months.due_at is 'By when its connector statement was due, by billing.service_level_policy';
comment on column finance.missed_months.days_late is 'Whole days since then';
