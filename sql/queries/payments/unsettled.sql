-- Attempts without a known outcome, each with the payment that the gateway lists for it, if any. `is_overdue`: old
-- enough that the list would have its payment, and finished. An attempt that was never sent is overdue after a day: its
-- sender is gone. `claim`: the last claim, the epoch if there was none. min_age is in seconds.
select a.attempt_id, a.statement_id, a.sent_at is not null as was_sent,
       coalesce(a.claimed_at + %(min_age)s * interval '1 second', a.requested_at + interval '1 day') < %(listed_at)s
           as is_overdue,
       g.gateway_payment_id, g.outcome, g.decline_code, g.advice_code,
       g.amount_minor = a.amount_minor and g.currency = a.currency as is_as_asked,
       g.refunded_minor >= g.amount_minor as is_refunded, coalesce(a.claimed_at, 'epoch') as claim
from billing.payment_attempt a
left join lateral (
    select * from billing.gateway_payment g
    where g.attempt_id = a.attempt_id and g.gone_at is null and (
        g.statement_id is null or g.statement_id = a.statement_id
        or not exists (select from billing.statement s where s.statement_id = g.statement_id))
    order by g.outcome = 'succeeded' desc, g.refunded_minor < g.amount_minor desc, g.created_at, g.gateway_payment_id
    limit 1) g on true
where a.outcome in ('pending', 'unknown')
order by a.attempt_id;
