-- Refunds whose outcome isn't known, with their payment and key, the claim they were last sent under, and whether the
-- gateway would have it by now.
select r.refund_id, r.gateway_payment_id, r.idempotency_key, coalesce(r.claimed_at, 'epoch') as claim,
       coalesce(r.claimed_at, r.requested_at) < clock_timestamp() - %(min_age)s * interval '1 second' as is_overdue
from billing.refund_attempt r where r.outcome in ('pending', 'unknown') order by r.refund_id;
