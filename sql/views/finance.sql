-- The contract with finance: views only, amounts in major units beside their currency, additive changes only
-- (`create or replace view` refuses to drop, rename or retype a column). Re-made at the end of every `evbilling migrate`.
-- Every column carries a comment; `evbilling dictionary` turns them into docs/data-dictionary.md.

create or replace view finance.statements with (security_barrier) as
select s.statement_id,
       s.kind,
       case s.kind when 'connector' then 'Account Chargers' when 'account' then 'Account Statement'
                   else 'Correction' end as type_label,
       s.account_id,
       s.account_name,
       s.financial_admin_id,
       s.period::text as period,
       s.statement_date,
       s.currency,
       s.ac_count + s.dc_count as connector_count,
       round(s.net_minor / power(10::numeric, s.minor_unit), s.minor_unit) as net_amount,
       round(s.tax_minor / power(10::numeric, s.minor_unit), s.minor_unit) as tax_amount,
       round(s.total_minor / power(10::numeric, s.minor_unit), s.minor_unit) as total_amount,
       case s.kind when 'connector'
            then round(m.paid_minor / power(10::numeric, s.minor_unit), s.minor_unit) end as paid_amount,
       case s.kind when 'connector'
            then round(m.balance_minor / power(10::numeric, s.minor_unit), s.minor_unit) end as balance_due,
       case when s.kind <> 'connector' then 'Issued'
            else billing.status_of(m.balance_minor, m.paid_minor, m.last_way, h.has_failed)::text end as status,
       s.issued_at,
       s.corrects_statement_id
from billing.statement s
left join billing.receivable m on m.statement_id = s.statement_id
left join lateral (
    select bool_or(a.outcome = 'declined') as has_failed
    from billing.payment_attempt a where a.statement_id = s.statement_id) h on s.kind = 'connector';

create or replace view finance.statement_lines with (security_barrier) as
select s.statement_id,
       d.period,
       d.account_id,
       d.charger_id,
       d.connector_id,
       d.power_type,
       round(d.unit_price_minor / power(10::numeric, s.minor_unit), s.minor_unit) as unit_price,
       round(d.unit_price_minor / power(10::numeric, s.minor_unit), s.minor_unit) as net_amount
from billing.connector_decision d
join billing.statement s
  on s.kind = 'connector' and s.revision = 0 and s.period = d.period and s.account_id = d.account_id
where d.rule_id is null;

create or replace view finance.connector_decisions with (security_barrier) as
select d.period,
       d.account_id,
       d.charger_id,
       d.connector_id,
       d.rule_id is null as is_billed,
       d.rule_id,
       s.statement_id
from billing.connector_decision d
left join billing.statement s
  on s.kind = 'connector' and s.revision = 0 and s.period = d.period and s.account_id = d.account_id
     and d.rule_id is null;

create or replace view finance.unbilled_accounts with (security_barrier) as
select u.period::text as period,
       u.account_id,
       u.reason_id,
       u.detail,
       u.expected_connector_count,
       u.expected_amount,
       u.currency,
       u.is_quarantined
from billing.unbilled_account u
where u.resolved_by_run_id is null;

create or replace view finance.tie_out with (security_barrier) as
select t.period::text as period,
       t.check_id,
       t.left_label,
       t.left_value,
       t.right_label,
       t.right_value,
       t.left_value - t.right_value as difference,
       t.left_value = t.right_value as is_ok
from billing.tie_out t;

create or replace view finance.audit_events with (security_barrier) as
select e.event_id, e.occurred_at, e.actor, e.action, e.subject_id, e.reason, e.run_id
from billing.audit_event e;

create or replace view finance.account_statement_items with (security_barrier) as
select i.statement_id,
       i.item_kind,
       i.item_id,
       i.occurred_at,
       i.description,
       i.currency,
       round(i.net_minor / power(10::numeric, i.minor_unit), i.minor_unit) as net_amount,
       round(i.tax_minor / power(10::numeric, i.minor_unit), i.minor_unit) as tax_amount,
       round(i.total_minor / power(10::numeric, i.minor_unit), i.minor_unit) as total_amount,
       round(i.settled_minor / power(10::numeric, i.minor_unit), i.minor_unit) as settled_amount,
       i.account_id
from billing.account_statement_item i;

create or replace view finance.withheld_account_statements with (security_barrier) as
select w.period::text as period, w.account_id, w.reason_id, w.detail
from billing.withheld_account w
where w.resolved_by_run_id is null;

create or replace view finance.payment_attempts with (security_barrier) as
select a.attempt_id,
       a.statement_id,
       a.attempt_no,
       a.trigger,
       a.requested_by,
       a.requested_at,
       a.currency,
       round(a.amount_minor / power(10::numeric, a.minor_unit), a.minor_unit) as amount,
       a.outcome,
       a.decline_code,
       a.gateway_payment_id,
       a.decline_class,
       a.payment_method,
       a.message,
       a.sent_at,
       a.settled_at
from billing.payment_attempt a;

create or replace view finance.payments with (security_barrier) as
select 'gateway' as paid_by,
       a.gateway_payment_id as payment_id,
       a.statement_id,
       s.account_id,
       (a.settled_at at time zone 'UTC')::date as paid_on,
       a.currency,
       round(a.amount_minor / power(10::numeric, a.minor_unit), a.minor_unit) as amount,
       a.requested_by as recorded_by,
       a.settled_at as recorded_at,
       null::text as reference,
       null::timestamptz as reversed_at,
       null::text as reversed_by,
       null::text as reverses_payment_id
from billing.payment_attempt a join billing.statement s using (statement_id)
where a.outcome = 'succeeded'
union all
select 'outside', 'paid-outside-' || p.paid_outside_id, p.statement_id, s.account_id, p.paid_on, p.currency,
       round(p.amount_minor / power(10::numeric, p.minor_unit), p.minor_unit), p.actor, p.recorded_at, p.reference,
       r.recorded_at, r.actor, null
from billing.paid_outside p
join billing.statement s using (statement_id)
left join billing.paid_outside_reversal r using (paid_outside_id)
union all
select 'outside', 'paid-outside-' || p.paid_outside_id || '-undone', p.statement_id, s.account_id,
       (r.recorded_at at time zone 'UTC')::date, p.currency,
       round(-p.amount_minor / power(10::numeric, p.minor_unit), p.minor_unit), r.actor, r.recorded_at, p.reference,
       null, null, 'paid-outside-' || p.paid_outside_id
from billing.paid_outside_reversal r
join billing.paid_outside p using (paid_outside_id)
join billing.statement s on s.statement_id = p.statement_id;

create or replace view finance.payment_plans with (security_barrier) as
select p.statement_id, p.planned_at, p.reason_id, p.detail, p.decided_at
from billing.payment_plan p join billing.receivable r using (statement_id)
where p.reason_id <> 'PAID' and r.balance_minor > 0;

create or replace view finance.receivables_by_age with (security_barrier) as
select r.account_id,
       r.currency,
       case when current_date - r.statement_date <= 30 then '0-30 days'
            when current_date - r.statement_date <= 60 then '31-60 days'
            when current_date - r.statement_date <= 90 then '61-90 days'
            else 'over 90 days' end as age,
       count(*) as statements,
       sum(round(r.balance_minor / power(10::numeric, r.minor_unit), r.minor_unit)) as balance_due
from billing.receivable r
where r.balance_minor <> 0
group by 1, 2, 3;

create or replace view finance.ledger with (security_barrier) as
select t.transfer_id,
       t.posted_at,
       t.kind,
       t.statement_id,
       t.debit_account,
       t.credit_account,
       t.currency,
       round(t.amount_minor / power(10::numeric, s.minor_unit), s.minor_unit) as amount,
       t.attempt_id,
       t.correction_id,
       'paid-outside-' || t.paid_outside_id as payment_id
from billing.transfer t join billing.statement s using (statement_id);

create or replace view finance.payment_breaks with (security_barrier) as
select b.break_id,
       b.kind,
       b.gateway_payment_id,
       b.attempt_id,
       b.statement_id,
       b.currency,
       b.recorded_minor,
       b.gateway_minor,
       b.detail,
       b.first_seen_at,
       b.last_seen_at,
       b.gone_at is null as is_open
from billing.payment_break b;

create or replace view finance.correction_lines with (security_barrier) as
select l.correction_id as statement_id,
       l.period::text as period,
       l.account_id,
       l.charger_id,
       l.connector_id,
       l.power_type,
       round(l.before_minor / power(10::numeric, s.minor_unit), s.minor_unit) as unit_price_before,
       round(l.after_minor / power(10::numeric, s.minor_unit), s.minor_unit) as unit_price,
       l.rule_id,
       round((coalesce(l.after_minor, 0) - coalesce(l.before_minor, 0)) / power(10::numeric, s.minor_unit), s.minor_unit)
           as net_amount
from billing.correction_line l join billing.statement s on s.statement_id = l.correction_id;

comment on view finance.correction_lines is 'One row per connector that a correction changes';
comment on column finance.correction_lines.statement_id is 'Correction (C…) that lists the change';
comment on column finance.correction_lines.period is 'Billing month of the corrected statement, YYYY-MM';
comment on column finance.correction_lines.account_id is 'Account corrected';
comment on column finance.correction_lines.charger_id is 'Charger, as the charging platform names it';
comment on column finance.correction_lines.connector_id is 'Connector of the charger';
comment on column finance.correction_lines.power_type is 'AC or DC, as it is now';
comment on column finance.correction_lines.unit_price_before is 'What was billed for the connector until then; null: nothing';
comment on column finance.correction_lines.unit_price is 'What is billed for it now; null: nothing';
comment on column finance.correction_lines.rule_id is 'Rule that excludes it now (see docs/rules.md); null if it is billed, or no longer the account''s';
comment on column finance.correction_lines.net_amount is 'By how much the line changes the net amount';

comment on view finance.statements is 'One row per issued statement';
comment on column finance.statements.statement_id is 'Number of the statement: A… connector statement, S… account statement, C… correction; gapless per kind and period';
comment on column finance.statements.kind is 'connector, account or correction';
comment on column finance.statements.type_label is 'The kind as people read it; connector statements are "Account Chargers"';
comment on column finance.statements.account_id is 'Account whose chargers are billed';
comment on column finance.statements.account_name is 'Name of the account when the statement was issued';
comment on column finance.statements.financial_admin_id is 'User who is charged, as set when the statement was issued';
comment on column finance.statements.period is 'Billing month, YYYY-MM';
comment on column finance.statements.statement_date is 'Date of the statement: the 1st for connector statements';
comment on column finance.statements.currency is 'ISO 4217 code of every amount in the row';
comment on column finance.statements.connector_count is 'Connectors billed on the statement; null for other kinds';
comment on column finance.statements.net_amount is 'Amount before tax, in major units of the currency';
comment on column finance.statements.tax_amount is 'Tax, rounded half-up once for the whole statement';
comment on column finance.statements.total_amount is 'Net plus tax: what is charged';
comment on column finance.statements.paid_amount is 'Collected so far, by whatever way, less what was undone; null for account statements and corrections, which aren''t collected themselves';
comment on column finance.statements.balance_due is 'Total and corrections less what is paid, below zero for a credit; null for account statements, which sum up, and corrections, which move the balance of what they correct';
comment on column finance.statements.status is 'Issued (not collected yet), Paid, Billing failure, Billing failure (resolved): collected after a failure, Paid manually: the last of it was paid by other means, or Partly paid';
comment on column finance.statements.issued_at is 'When the statement was issued; it never changes afterwards';
comment on column finance.statements.corrects_statement_id is 'The statement that a correction corrects; null for others';

comment on view finance.statement_lines is 'One row per billed connector of an issued connector statement';
comment on column finance.statement_lines.statement_id is 'Connector statement that bills the connector';
comment on column finance.statement_lines.period is 'Billing month, YYYY-MM; always filter by it: each month is a partition of its own. Archived months have no rows';
comment on column finance.statement_lines.account_id is 'Account billed';
comment on column finance.statement_lines.charger_id is 'Charger, as the charging platform names it';
comment on column finance.statement_lines.connector_id is 'Connector of the charger, from 1';
comment on column finance.statement_lines.power_type is 'AC or DC';
comment on column finance.statement_lines.unit_price is 'Monthly fee for this connector, in major units of the statement''s currency';
comment on column finance.statement_lines.net_amount is 'Amount of the line before tax; equals the unit price (no proration)';

comment on view finance.connector_decisions is 'One row per connector of an account with billing on that was not quarantined: billed, or excluded by one rule';
comment on column finance.connector_decisions.period is 'Billing month, YYYY-MM; always filter by it: each month is a partition of its own. Archived months have no rows';
comment on column finance.connector_decisions.account_id is 'Account at which the connector was counted';
comment on column finance.connector_decisions.charger_id is 'Charger, as the charging platform names it';
comment on column finance.connector_decisions.connector_id is 'Connector of the charger; 0 is the station itself';
comment on column finance.connector_decisions.is_billed is 'True if the connector is on the account''s connector statement';
comment on column finance.connector_decisions.rule_id is 'Rule that excluded the connector (see docs/rules.md); null if billed';
comment on column finance.connector_decisions.statement_id is 'Connector statement that bills it; null if excluded';

comment on view finance.unbilled_accounts is 'One row per reason why an account with billing on has no connector statement for the period';
comment on column finance.unbilled_accounts.period is 'Billing month, YYYY-MM';
comment on column finance.unbilled_accounts.account_id is 'Account without a connector statement';
comment on column finance.unbilled_accounts.reason_id is 'Stable id of the reason (see docs/rules.md)';
comment on column finance.unbilled_accounts.detail is 'The reason in plain words, with what to mend';
comment on column finance.unbilled_accounts.expected_connector_count is 'Connectors that would have been billed but for the reason';
comment on column finance.unbilled_accounts.expected_amount is 'Money they were expected to bring, tax included, in major units; the same on each of an account''s rows';
comment on column finance.unbilled_accounts.currency is 'Currency of the expected amount, as the platform has it; null if it has none';
comment on column finance.unbilled_accounts.is_quarantined is 'True: a fault to mend, then re-run the period; false: there is nothing to bill';

comment on view finance.tie_out is 'Figures that must agree, each pair counted in two independent ways when the run closed';
comment on column finance.tie_out.period is 'Billing month, YYYY-MM';
comment on column finance.tie_out.check_id is 'Stable id of the check; one per currency where money is compared';
comment on column finance.tie_out.left_label is 'What the left figure is';
comment on column finance.tie_out.left_value is 'Left figure';
comment on column finance.tie_out.right_label is 'What the right figure is';
comment on column finance.tie_out.right_value is 'Right figure';
comment on column finance.tie_out.difference is 'Left less right';
comment on column finance.tie_out.is_ok is 'True if the two figures are equal';

comment on view finance.audit_events is 'One row per deed that changed what is billed: who, what, why';
comment on column finance.audit_events.event_id is 'Number of the event, ascending';
comment on column finance.audit_events.occurred_at is 'When it was done';
comment on column finance.audit_events.actor is 'Who did it: a person, or the DAG run for scheduled work';
comment on column finance.audit_events.action is 'What was done, as a verb phrase';
comment on column finance.audit_events.subject_id is 'What it was done to: an account, a period or a statement';
comment on column finance.audit_events.reason is 'Why, in the words of who did it';
comment on column finance.audit_events.run_id is 'The billing run it belongs to, if any';

comment on view finance.account_statement_items is 'One row per item of an account statement; every item is on exactly one';
comment on column finance.account_statement_items.statement_id is 'Account statement that lists the item';
comment on column finance.account_statement_items.item_kind is 'opening_balance, connector_statement, correction, charge, payment or paid_outside';
comment on column finance.account_statement_items.item_id is 'What it is: a statement, a charge of the platform, a payment (one that ends in -undone takes that payment back); for an opening balance the account statement before';
comment on column finance.account_statement_items.occurred_at is 'When it came about, in UTC';
comment on column finance.account_statement_items.description is 'The item in words';
comment on column finance.account_statement_items.currency is 'ISO 4217 code of every amount in the row';
comment on column finance.account_statement_items.net_amount is 'Amount before tax, in major units';
comment on column finance.account_statement_items.tax_amount is 'Tax';
comment on column finance.account_statement_items.total_amount is 'By how much the item raises the balance; below zero for payments, above for a paid_outside that was undone';
comment on column finance.account_statement_items.settled_amount is 'What of a charge was settled elsewhere before it was listed: the balance rises by the total less this';
comment on column finance.account_statement_items.account_id is 'Account stated';

comment on view finance.withheld_account_statements is 'One row per reason why an account with something to state has no account statement; its items go on the next one';
comment on column finance.withheld_account_statements.period is 'Billing month, YYYY-MM';
comment on column finance.withheld_account_statements.account_id is 'Account without an account statement';
comment on column finance.withheld_account_statements.reason_id is 'Stable id of the reason (see docs/rules.md)';
comment on column finance.withheld_account_statements.detail is 'The reason in plain words, with what to mend';

comment on view finance.payment_attempts is 'One row per attempt to collect a connector statement';
comment on column finance.payment_attempts.attempt_id is 'Number of the attempt, ascending';
comment on column finance.payment_attempts.statement_id is 'Connector statement to be collected';
comment on column finance.payment_attempts.attempt_no is 'First, second, ... attempt at the statement';
comment on column finance.payment_attempts.trigger is 'What called for it: issue (the charge on the 1st), month_end, planned or rebill';
comment on column finance.payment_attempts.requested_by is 'Who asked for it: a person, or the DAG run for scheduled work';
comment on column finance.payment_attempts.requested_at is 'When it was opened, before the gateway was called';
comment on column finance.payment_attempts.currency is 'ISO 4217 code';
comment on column finance.payment_attempts.amount is 'Amount asked for, in major units';
comment on column finance.payment_attempts.outcome is 'pending (not answered yet), succeeded, declined, or unknown: only the gateway knows, and reconciliation asks it';
comment on column finance.payment_attempts.decline_code is 'Why it was declined, as the gateway says it; no_payment_method if there was nothing to charge';
comment on column finance.payment_attempts.gateway_payment_id is 'The payment''s id at the gateway, if it has one';
comment on column finance.payment_attempts.decline_class is 'hard (not again with this payment method), soft (may pass), needs_customer, or unknown';
comment on column finance.payment_attempts.payment_method is 'Payment method charged, as the gateway names it';
comment on column finance.payment_attempts.message is 'What the gateway said';
comment on column finance.payment_attempts.sent_at is 'When it was first sent to the gateway; null if it never was';
comment on column finance.payment_attempts.settled_at is 'When its outcome was recorded';

comment on view finance.payments is 'One row per payment of a connector statement, by whatever way, and one, below zero, per payment marked by mistake that was undone: what they sum up to is what is paid';
comment on column finance.payments.paid_by is 'gateway, or outside: marked as paid';
comment on column finance.payments.payment_id is 'The payment''s id at the gateway, or of the record; that of an undo ends in -undone';
comment on column finance.payments.statement_id is 'Connector statement paid';
comment on column finance.payments.account_id is 'Account of the statement';
comment on column finance.payments.paid_on is 'Day of the payment; of an undo the day on which it was booked, in UTC';
comment on column finance.payments.currency is 'ISO 4217 code';
comment on column finance.payments.amount is 'Amount in major units; below zero for an undo';
comment on column finance.payments.recorded_by is 'Who asked for the charge, marked it as paid, or undid that';
comment on column finance.payments.recorded_at is 'When it was recorded';
comment on column finance.payments.reference is 'Reference of a payment made outside';
comment on column finance.payments.reversed_at is 'When a payment marked by mistake was undone; null: it stands';
comment on column finance.payments.reversed_by is 'Who undid it';
comment on column finance.payments.reverses_payment_id is 'Of an undo: the payment that it takes back, whole; null for payments';

comment on view finance.payment_plans is 'One row per unpaid statement whose collection failed: when it is tried next by itself, or why not';
comment on column finance.payment_plans.statement_id is 'Connector statement';
comment on column finance.payment_plans.planned_at is 'Earliest instant of the next automatic try; null: none';
comment on column finance.payment_plans.reason_id is 'Stable id of the reason (see docs/rules.md)';
comment on column finance.payment_plans.detail is 'The reason in plain words';
comment on column finance.payment_plans.decided_at is 'When this was planned';

comment on view finance.receivables_by_age is 'What accounts owe on connector statements, by age; credits are below zero';
comment on column finance.receivables_by_age.account_id is 'Account that owes';
comment on column finance.receivables_by_age.currency is 'ISO 4217 code';
comment on column finance.receivables_by_age.age is 'Days since the statement''s date: 0-30, 31-60, 61-90 or over 90 days';
comment on column finance.receivables_by_age.statements is 'Connector statements with a balance';
comment on column finance.receivables_by_age.balance_due is 'Sum of what is due on them, in major units';

comment on view finance.ledger is 'One row per movement of money between two ledger accounts; debit and credit are equal by construction';
comment on column finance.ledger.transfer_id is 'Number of the transfer, ascending';
comment on column finance.ledger.posted_at is 'When it was posted';
comment on column finance.ledger.kind is 'issue, tax, payment, paid_outside, paid_outside_reversal (a payment marked by mistake was undone), correction or correction_tax';
comment on column finance.ledger.statement_id is 'Connector statement whose balance it moves';
comment on column finance.ledger.debit_account is 'Ledger account debited: receivable, revenue, tax, cash or paid_outside';
comment on column finance.ledger.credit_account is 'Ledger account credited';
comment on column finance.ledger.currency is 'ISO 4217 code';
comment on column finance.ledger.amount is 'Amount above zero, in major units';
comment on column finance.ledger.attempt_id is 'Attempt that brought a payment';
comment on column finance.ledger.correction_id is 'Correction posted';
comment on column finance.ledger.payment_id is 'Payment outside that was marked as paid, or undone; see finance.payments';

comment on view finance.payment_breaks is 'Differences between the gateway and our record that a person must look at';
comment on column finance.payment_breaks.break_id is 'Number of the break';
comment on column finance.payment_breaks.kind is 'charged_not_recorded, recorded_not_charged, amount_differs, duplicate or refunded';
comment on column finance.payment_breaks.gateway_payment_id is 'Payment at the gateway';
comment on column finance.payment_breaks.attempt_id is 'Attempt concerned, if known';
comment on column finance.payment_breaks.statement_id is 'Connector statement concerned, if known';
comment on column finance.payment_breaks.currency is 'ISO 4217 code';
comment on column finance.payment_breaks.recorded_minor is 'What we have recorded as paid, in minor units';
comment on column finance.payment_breaks.gateway_minor is 'What the gateway has, in minor units';
comment on column finance.payment_breaks.detail is 'The difference in words, with what to do';
comment on column finance.payment_breaks.first_seen_at is 'When it was first found';
comment on column finance.payment_breaks.last_seen_at is 'When it was last found';
comment on column finance.payment_breaks.is_open is 'False once a later comparison no longer found it';

create or replace view finance.mail with (security_barrier) as
select m.mail_id,
       m.kind,
       m.statement_id,
       m.account_id,
       m.financial_admin_id,
       m.period,
       m.state,
       m.last_error as reason,
       m.tries,
       case when m.recipient is not null
            then left(m.recipient, 1) || '***@' || substring(m.recipient from '@([^@]*)$') end as recipient,
       m.requested_by,
       m.created_at,
       m.not_before as due_at,
       m.claimed_at as begun_at,
       m.sent_at,
       m.message_id,
       m.attempt_id,
       m.again_of,
       a.mail_id as sent_again_as
from billing.mail m
left join lateral (select max(n.mail_id) as mail_id from billing.mail n where n.again_of = m.mail_id) a on true;

comment on view finance.mail is 'One row per message to a financial admin: a statement, a correction, or the notice of a failed charge';
comment on column finance.mail.mail_id is 'Number of the message';
comment on column finance.mail.kind is 'connector_statement, account_statement, correction, or failed_charge: a notice of a declined charge';
comment on column finance.mail.statement_id is 'Statement that it brings, or whose charge was declined';
comment on column finance.mail.account_id is 'Account of the statement';
comment on column finance.mail.financial_admin_id is 'User to whom the statement was issued; the message goes to the address that the platform has for this user when it is sent';
comment on column finance.mail.period is 'Billing month of the statement, YYYY-MM';
comment on column finance.mail.state is 'pending: waits to be sent; sending: the mail server is being told; sent: the mail server took it; failed: it can''t be sent; unknown: the sender was cut off, so it may have arrived or not; held: not sent unless somebody asks for it';
comment on column finance.mail.reason is 'Why it isn''t sent, or not yet, in plain words; null if nothing is in its way';
comment on column finance.mail.tries is 'How often the mail server was told of it';
comment on column finance.mail.recipient is 'Address it went to, but for the name in it: x***@example.org; null if it never came so far';
comment on column finance.mail.requested_by is 'The run or the attempt that called for it, or the person who asked for it to be sent';
comment on column finance.mail.created_at is 'When it was called for';
comment on column finance.mail.due_at is 'It isn''t tried before; after a refusal for now, when it is tried next';
comment on column finance.mail.begun_at is 'When the mail server was last told of it';
comment on column finance.mail.sent_at is 'When the mail server took it; null if it didn''t';
comment on column finance.mail.message_id is 'Its Message-ID, by which mail servers name it in their logs';
comment on column finance.mail.attempt_id is 'Payment attempt that was declined; null for other kinds';
comment on column finance.mail.again_of is 'Message that this one repeats at a person''s request; null for others';
comment on column finance.mail.sent_again_as is 'Newest message that repeats this one; null if nobody asked for that';

grant select on all tables in schema finance to finance_reader, evbilling_writer;
