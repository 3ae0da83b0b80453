-- What happened to payment methods since a time, on whichever statement: tries, those declined,
-- when the last was and how it was declined, for the dry run of Re-Bill.
select a.payment_method, count(*), count(*) filter (where a.outcome = 'declined'),
       max(coalesce(a.sent_at, a.requested_at)),
       (array_agg(a.decline_code order by a.attempt_id desc) filter (where a.outcome = 'declined'))[1]
from billing.payment_attempt a
where a.requested_at >= %(since)s and a.payment_method = any(%(methods)s::text[]) and a.outcome <> 'refused'
group by a.payment_method
