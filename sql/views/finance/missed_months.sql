create or replace view finance.missed_months with (security_barrier) as
select m.period,
       m.account_id,
       m.reason_id,
       m.reason,
       m.due_at,
       m.days_late,
       case when f.account_id is null then 'missed' else 'forgiven' end as state,
       f.recorded_at as forgiven_at,
       f.actor as forgiven_by,
       f.reason as forgiven_because,
       f.connectors as forgiven_connectors,
       f.amount as forgiven_amount,
       f.currency,
       f.basis,
       d.policy,
       d.decision,
       d.why as decision_reason
from billing.missed_months_at(now()) m
left join billing.missed_month_decisions(now()) d on d.period = m.period and d.account_id = m.account_id
left join lateral (
    select n.* from billing.forgiveness n
    where n.period = m.period and n.account_id = m.account_id
    order by n.forgiveness_id desc limit 1
) f on f.is_forgiven;

comment on view finance.missed_months is 'One row per account and month that it was to be billed for and wasn''t, though nothing on record says why';
comment on column finance.missed_months.period is 'Billing month, YYYY-MM; from the first month ever billed on';
comment on column finance.missed_months.account_id is 'Account that a setting in force charges for the month';
comment on column finance.missed_months.reason_id is 'NEVER-BILLED: no run has billed the month, or only its canary; ENABLED-LATE: a setting recorded after the month was billed charges the account; LEFT-OUT: it was forgiven when the month was billed';
comment on column finance.missed_months.reason is 'The reason in plain words';
comment on column finance.missed_months.due_at is 'By when its connector statement was due, by billing.service_level_policy';
comment on column finance.missed_months.days_late is 'Whole days since then';
comment on column finance.missed_months.state is 'missed: to be billed or forgiven; forgiven: never billed, unless that is taken back';
comment on column finance.missed_months.forgiven_at is 'When it was forgiven; null if it isn''t, as in all columns below';
comment on column finance.missed_months.forgiven_by is 'Who forgave it';
comment on column finance.missed_months.forgiven_because is 'The reason that was given';
comment on column finance.missed_months.forgiven_connectors is 'Connectors that would have been billed; null if it wasn''t known';
comment on column finance.missed_months.forgiven_amount is 'What it would have cost, tax included, in major units; null if it wasn''t known';
comment on column finance.missed_months.currency is 'Currency of the forgiven amount';
comment on column finance.missed_months.basis is 'By what the amount was found';
comment on column finance.missed_months.policy is 'The policy in force for the account: bill, forgive or ask; null if the month is forgiven, as in the columns below';
comment on column finance.missed_months.decision is 'What the DAG missed_months does with the month at its next run: bill, forgive, or ask: nothing, a person decides';
comment on column finance.missed_months.decision_reason is 'Why that isn''t what the policy says; null: it is';
