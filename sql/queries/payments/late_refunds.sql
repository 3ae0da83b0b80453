-- Refunds that were settled as not made, of payments of which as much is given back and not acknowledged: with their
-- payment and key.
select r.refund_id, r.gateway_payment_id, r.idempotency_key
from billing.refund_attempt r
join billing.gateway_payment g using (gateway_payment_id)
where r.outcome = 'refused' and g.refunded_minor >= r.amount_minor and exists (
    select from billing.returned_payments(array[r.statement_id]) t
    where t.gateway_payment_id = r.gateway_payment_id and t.minor >= r.amount_minor)
order by r.refund_id;
