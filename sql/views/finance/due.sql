create or replace view finance.due with (security_barrier) as
select d.statement_id,
       s.account_id,
       s.account_name,
       s.period::text as period,
       d.currency,
       round(d.balance_minor / power(10::numeric, d.minor_unit), d.minor_unit) as balance_due,
       d.reason_id,
       r.reason,
       r.who_acts,
       t.attempts,
       t.last_attempt_at,
       t.last_decline_code,
       d.next_attempt_at,
       s.statement_date as due_since,
       current_date - s.statement_date as age_days
from billing.due d
join billing.statement s on s.statement_id = d.statement_id
join billing.due_reason r on r.reason_id = d.reason_id
cross join lateral (
    select count(*) filter (where a.outcome <> 'refused') as attempts,
           max(coalesce(a.sent_at, a.requested_at)) filter (where a.outcome <> 'refused') as last_attempt_at,
           (array_agg(a.decline_code order by a.attempt_no desc) filter (where a.outcome = 'declined'))[1]
               as last_decline_code
    from billing.payment_attempt a where a.statement_id = d.statement_id) t;

comment on view finance.due is 'One row per connector statement on which something is due, of any month: why, and who has to act. From the balances of the list of statements, which the tie-out compares with the ledger';
comment on column finance.due.statement_id is 'Connector statement';
comment on column finance.due.account_id is 'Account that owes';
comment on column finance.due.account_name is 'Name of the account when the statement was issued';
comment on column finance.due.period is 'Billing month, YYYY-MM';
comment on column finance.due.currency is 'ISO 4217 code of the balance';
comment on column finance.due.balance_due is 'What is still due, in major units';
comment on column finance.due.reason_id is 'Stable id of the reason (see docs/rules.md)';
comment on column finance.due.reason is 'The reason in plain words';
comment on column finance.due.who_acts is 'Who has to act: us, customer, or nobody because it goes on by itself';
comment on column finance.due.attempts is 'Attempts to charge it, without those that the gateway refused for a reason of ours';
comment on column finance.due.last_attempt_at is 'When it was last tried; null if never';
comment on column finance.due.last_decline_code is 'Code of its last decline; null if none';
comment on column finance.due.next_attempt_at is 'Earliest time of the next automatic attempt; null if none is planned';
comment on column finance.due.due_since is 'Date of the statement, from which its age counts';
comment on column finance.due.age_days is 'Days since then, as in finance.receivables_by_age';
