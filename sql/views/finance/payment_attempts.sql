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

comment on view finance.payment_attempts is 'One row per attempt to collect a connector statement';
comment on column finance.payment_attempts.attempt_id is 'Number of the attempt, ascending';
comment on column finance.payment_attempts.statement_id is 'Connector statement to be collected';
comment on column finance.payment_attempts.attempt_no is 'First, second, ... attempt at the statement';
comment on column finance.payment_attempts.trigger is 'What called for it: issue (the charge on the 1st), month_end, planned or rebill';
comment on column finance.payment_attempts.requested_by is 'Who asked for it: a person, or the DAG run for scheduled work';
comment on column finance.payment_attempts.requested_at is 'When it was opened, before the gateway was called';
comment on column finance.payment_attempts.currency is 'ISO 4217 code';
comment on column finance.payment_attempts.amount is 'Amount asked for, in major units';
comment on column finance.payment_attempts.outcome is 'pending (not answered yet), succeeded, declined, refused (by the gateway for a reason of ours; it counts for nothing and is tried again), or unknown: only the gateway knows, and reconciliation asks it';
comment on column finance.payment_attempts.decline_code is 'Why it was declined or refused, as the gateway says it; no_payment_method if there was nothing to charge';
comment on column finance.payment_attempts.gateway_payment_id is 'The payment''s id at the gateway, if it has one';
comment on column finance.payment_attempts.decline_class is 'hard (not again with this payment method), soft (may pass), needs_customer, or unknown';
comment on column finance.payment_attempts.payment_method is 'Payment method charged, as the gateway names it';
comment on column finance.payment_attempts.message is 'What the gateway said';
comment on column finance.payment_attempts.sent_at is 'When it was first sent to the gateway; null if it never was';
comment on column finance.payment_attempts.settled_at is 'When its outcome was recorded';
