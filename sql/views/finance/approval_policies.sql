create or replace view finance.approval_policies with (security_barrier) as
select p.policy_id,
       p.effective_from::text as effective_from,
       p.mode,
       p.max_connector_change_percent,
       p.max_money_change_percent,
       p.max_account_change_percent,
       p.account_change_floor,
       p.max_accounts_on_hold,
       p.max_expected_on_hold,
       p.ask_first_month_of_account,
       p.ask_first_month,
       p.four_eyes,
       p.deadline_hours,
       p.remind_hours,
       p.late_after_hours,
       p.actor,
       p.reason,
       p.recorded_at,
       p.canary_statements
from billing.approval_policy p;

comment on view finance.approval_policies is 'One row per approval policy ever recorded: when a month is issued at once and when a person is asked';
comment on column finance.approval_policies.policy_id is 'Number of the policy, ascending; of several for one period the highest is in force';
comment on column finance.approval_policies.effective_from is 'First period it applies to, YYYY-MM';
comment on column finance.approval_policies.mode is 'at_once; within_limits: at once unless a limit is exceeded; always: a person approves every month';
comment on column finance.approval_policies.max_connector_change_percent is 'Largest change of the number of connectors in all, in percent; null: no limit';
comment on column finance.approval_policies.max_money_change_percent is 'Largest change of the money of a currency, in percent; null: no limit';
comment on column finance.approval_policies.max_account_change_percent is 'Largest change of the money of one account, in percent; null: no limit';
comment on column finance.approval_policies.account_change_floor is 'A change of one account by up to this much is never too large; major units of its currency';
comment on column finance.approval_policies.max_accounts_on_hold is 'Most accounts on hold; null: no limit';
comment on column finance.approval_policies.max_expected_on_hold is 'Most money expected of accounts on hold, in major units of each currency; null: no limit';
comment on column finance.approval_policies.ask_first_month_of_account is 'True if a person is asked when an account is billed for the first time';
comment on column finance.approval_policies.ask_first_month is 'True if a person is asked for the first month ever';
comment on column finance.approval_policies.four_eyes is 'True if whoever approves must not have changed the policy or settings that the plan goes by';
comment on column finance.approval_policies.deadline_hours is 'Hours after which a plan that waits is rejected';
comment on column finance.approval_policies.remind_hours is 'Hours before the deadline in which a reminder goes out';
comment on column finance.approval_policies.late_after_hours is 'Hours after its time from which on a scheduled run asks a person';
comment on column finance.approval_policies.actor is 'Who recorded it';
comment on column finance.approval_policies.reason is 'Why, in that person''s words';
comment on column finance.approval_policies.recorded_at is 'When it was recorded';
comment on column finance.approval_policies.canary_statements is 'Statements that are issued, charged and mailed first; a person decides on the rest then. 0: none';
