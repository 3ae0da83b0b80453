create or replace view finance.missed_month_policies with (security_barrier) as
select p.policy_id,
       p.account_id,
       p.policy,
       not exists (
           select from billing.missed_month_policy o
           where o.account_id is not distinct from p.account_id and o.policy_id > p.policy_id) as is_in_force,
       p.actor as recorded_by,
       p.recorded_at,
       p.reason
from billing.missed_month_policy p;

comment on view finance.missed_month_policies is 'One row per policy ever recorded of what becomes of missed months';
comment on column finance.missed_month_policies.policy_id is 'Number of the policy; what it forgives has `policy` and this number as the actor';
comment on column finance.missed_month_policies.account_id is 'Account that it is of; null: of all accounts that have none of their own';
comment on column finance.missed_month_policies.policy is 'bill: by a run of bill_month that the DAG missed_months triggers; forgive: by that DAG; ask: left to a person, as without any policy';
comment on column finance.missed_month_policies.is_in_force is 'It is the newest of its account, or of all accounts';
comment on column finance.missed_month_policies.recorded_by is 'Who recorded it';
comment on column finance.missed_month_policies.recorded_at is 'When it was recorded; it decides on every month that is missed from then on, also on older ones';
comment on column finance.missed_month_policies.reason is 'The reason that was given';
