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
       coalesce('paid-outside-' || t.paid_outside_id, r.gateway_payment_id,
                case t.kind when 'refund_outside' then 'paid-outside-refund-' || t.adjustment_id end) as payment_id,
       coalesce(t.adjustment_id, j.adjustment_id) as adjustment_id
from billing.transfer t
join billing.statement s using (statement_id)
left join billing.payment_return r on r.return_id = t.return_id
left join billing.adjustment j on j.correction_id = t.correction_id;

comment on view finance.ledger is 'One row per movement of money between two ledger accounts; debit and credit are equal by construction';
comment on column finance.ledger.transfer_id is 'Number of the transfer, ascending';
comment on column finance.ledger.posted_at is 'When it was posted';
comment on column finance.ledger.kind is 'issue, tax, payment, paid_outside, paid_outside_reversal (a payment marked by mistake was undone), refund (a payment given back by the gateway), goodwill (not collected again after that), refund_outside (a credit sent back by other ways), write_off, undo_write_off, correction or correction_tax';
comment on column finance.ledger.statement_id is 'Connector statement whose balance it moves';
comment on column finance.ledger.debit_account is 'Ledger account debited: receivable, revenue, tax, cash, paid_outside, goodwill or written_off';
comment on column finance.ledger.credit_account is 'Ledger account credited';
comment on column finance.ledger.currency is 'ISO 4217 code';
comment on column finance.ledger.amount is 'Amount above zero, in major units';
comment on column finance.ledger.attempt_id is 'Attempt that brought a payment';
comment on column finance.ledger.correction_id is 'Correction posted';
comment on column finance.ledger.payment_id is 'Payment outside that was marked as paid, or undone, or sent back; payment at the gateway that was given back; see finance.payments';
comment on column finance.ledger.adjustment_id is 'Adjustment by hand that posted it, or whose correction did; see finance.adjustments';
