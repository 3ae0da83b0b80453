create or replace view finance.plan_accounts with (security_barrier) as
select a.plan_id,
       p.period::text as period,
       a.account_id,
       a.account_name,
       a.currency,
       a.connectors_before,
       a.connectors_now,
       a.connectors_now - a.connectors_before as connectors_change,
       round(a.total_before_minor / power(10::numeric, a.minor_unit), a.minor_unit) as total_before,
       round(a.total_now_minor / power(10::numeric, a.minor_unit), a.minor_unit) as total_now,
       round((a.total_now_minor - a.total_before_minor) / power(10::numeric, a.minor_unit), a.minor_unit)
           as total_change,
       a.is_on_hold,
       a.expected_connectors,
       round(a.expected_minor / power(10::numeric, a.minor_unit), a.minor_unit) as expected_amount,
       a.is_first,
       c.account_id is not null as is_canary,
       c.picked_by as canary_picked_by
from billing.plan_account a
join billing.plan p using (plan_id)
left join billing.plan_canary c on c.plan_id = a.plan_id and c.account_id = a.account_id;

comment on view finance.plan_accounts is 'One row per plan, account and currency: what is planned beside the month compared with. A plan that was superseded before anybody decided on it has none';
comment on column finance.plan_accounts.plan_id is 'Plan';
comment on column finance.plan_accounts.period is 'Billing month, YYYY-MM';
comment on column finance.plan_accounts.account_id is 'Account';
comment on column finance.plan_accounts.account_name is 'Its name, if it gets a statement or had one';
comment on column finance.plan_accounts.currency is 'ISO 4217 code of every amount in the row; XXX: on hold because its currency is unknown';
comment on column finance.plan_accounts.connectors_before is 'Connectors billed in the month compared with, as first issued';
comment on column finance.plan_accounts.connectors_now is 'Connectors that the plan bills';
comment on column finance.plan_accounts.connectors_change is 'The latter less the former; the causes in finance.plan_changes add up to it';
comment on column finance.plan_accounts.total_before is 'Total of the statement of the month compared with, as first issued, tax included, in major units';
comment on column finance.plan_accounts.total_now is 'Total of the statement that is planned; 0: none';
comment on column finance.plan_accounts.total_change is 'The latter less the former; the causes in finance.plan_changes add up to it';
comment on column finance.plan_accounts.is_on_hold is 'True: a fault keeps it from being billed (finance.unbilled_accounts)';
comment on column finance.plan_accounts.expected_connectors is 'Connectors that would have been billed without the fault';
comment on column finance.plan_accounts.expected_amount is 'Amount that was expected without the fault, tax included';
comment on column finance.plan_accounts.is_first is 'True: it has had no connector statement before';
comment on column finance.plan_accounts.is_canary is 'True: its statement is one of those that are issued first';
comment on column finance.plan_accounts.canary_picked_by is 'Who named it for the canary when approving the plan; null: it isn''t in it, or by the policy''s rule';
