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
join billing.statement s on s.statement_id = p.statement_id
union all
select 'gateway', r.gateway_payment_id || '-refunded-' || r.return_id, r.statement_id, s.account_id,
       (r.recorded_at at time zone 'UTC')::date, r.currency,
       round(-r.amount_minor / power(10::numeric, r.minor_unit), r.minor_unit), r.actor, r.recorded_at, r.cause,
       null, null, r.gateway_payment_id
from billing.payment_return r join billing.statement s on s.statement_id = r.statement_id
union all
select 'outside', 'paid-outside-refund-' || b.adjustment_id, b.statement_id, s.account_id, b.paid_on, b.currency,
       round(-b.amount_minor / power(10::numeric, b.minor_unit), b.minor_unit), b.actor, b.recorded_at, b.reference,
       null, null, null
from billing.adjustment b join billing.statement s on s.statement_id = b.statement_id
where b.kind = 'refund_outside';

comment on view finance.payments is 'One row per payment of a connector statement, however it was made, and one, below zero, per payment marked by mistake and undone and per refund or lost dispute that was acknowledged or credit that was sent back by other ways; their sum is what is paid';
comment on column finance.payments.paid_by is 'gateway, or outside: marked as paid';
comment on column finance.payments.payment_id is 'The payment''s id at the gateway, or of the record; that of an undo ends in -undone, that of a refund in -refunded- and a number; that of a credit sent back begins with paid-outside-refund-';
comment on column finance.payments.statement_id is 'Connector statement paid';
comment on column finance.payments.account_id is 'Account of the statement';
comment on column finance.payments.paid_on is 'Day of the payment; of an undo or a refund the day on which it was booked, in UTC';
comment on column finance.payments.currency is 'ISO 4217 code';
comment on column finance.payments.amount is 'Amount in major units; below zero for an undo, a refund or a credit sent back';
comment on column finance.payments.recorded_by is 'Who asked for the charge, marked it as paid, undid that, acknowledged the refund, or sent the credit back';
comment on column finance.payments.recorded_at is 'When it was recorded';
comment on column finance.payments.reference is 'Reference of a payment made outside, or of a credit sent back; of a refund its cause: refund, or dispute';
comment on column finance.payments.reversed_at is 'When a payment marked by mistake was undone; null if it wasn''t';
comment on column finance.payments.reversed_by is 'Who undid it';
comment on column finance.payments.reverses_payment_id is 'For an undo: the payment that it takes back in full; for a refund: the payment given back, in full or in part; null for payments';
