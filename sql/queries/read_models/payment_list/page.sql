-- A page of payments, the newest first, from below a payment: of a time, by a way, and with exactly this id or
-- reference. Each branch is read in the order of its own table; together they are the rows of finance.payments.
select p.paid_by, p.payment_id, p.statement_id, s.account_id, s.account_name, p.paid_on, p.currency,
       billing.major(p.amount_minor, p.minor_unit) as amount, p.recorded_by, p.recorded_at, p.reference,
       p.reverses_payment_id
from (
    (select 'gateway' as paid_by, a.gateway_payment_id as payment_id, a.statement_id,
            (a.settled_at at time zone 'UTC')::date as paid_on, a.currency, a.amount_minor, a.minor_unit,
            a.requested_by as recorded_by, a.settled_at as recorded_at, null as reference,
            null as reverses_payment_id
     from billing.payment_attempt a
     where a.outcome = 'succeeded' and a.settled_at >= %(since)s and a.settled_at < %(until)s
       and (a.settled_at, a.gateway_payment_id) < (%(before_at)s, %(before_id)s)
       and (%(way)s::text is null or %(way)s = 'gateway')
       and (%(search)s::text is null or a.gateway_payment_id = %(search)s)
     order by a.settled_at desc, a.gateway_payment_id desc limit %(most)s)
    union all
    (select 'outside', 'paid-outside-' || o.paid_outside_id, o.statement_id, o.paid_on, o.currency, o.amount_minor,
            o.minor_unit, o.actor, o.recorded_at, o.reference, null
     from billing.paid_outside o
     where o.recorded_at >= %(since)s and o.recorded_at < %(until)s
       and (o.recorded_at, 'paid-outside-' || o.paid_outside_id) < (%(before_at)s, %(before_id)s)
       and (%(way)s::text is null or %(way)s = 'outside')
       and (%(search)s::text is null or o.reference = %(search)s
            or o.paid_outside_id = %(outside_id)s)
     order by o.recorded_at desc limit %(most)s)
    union all
    (select 'outside', 'paid-outside-' || o.paid_outside_id || '-undone', o.statement_id,
            (r.recorded_at at time zone 'UTC')::date, o.currency, -o.amount_minor, o.minor_unit, r.actor,
            r.recorded_at, o.reference, 'paid-outside-' || o.paid_outside_id
     from billing.paid_outside_reversal r join billing.paid_outside o on o.paid_outside_id = r.paid_outside_id
     where r.recorded_at >= %(since)s and r.recorded_at < %(until)s
       and (r.recorded_at, 'paid-outside-' || o.paid_outside_id || '-undone') < (%(before_at)s, %(before_id)s)
       and (%(way)s::text is null or %(way)s = 'outside')
       and (%(search)s::text is null or o.reference = %(search)s
            or o.paid_outside_id = %(outside_id)s)
     order by r.recorded_at desc limit %(most)s)
    union all
    (select 'gateway', r.gateway_payment_id || '-refunded-' || r.return_id, r.statement_id,
            (r.recorded_at at time zone 'UTC')::date, r.currency, -r.amount_minor, r.minor_unit, r.actor,
            r.recorded_at, r.cause, r.gateway_payment_id
     from billing.payment_return r
     where r.recorded_at >= %(since)s and r.recorded_at < %(until)s
       and (r.recorded_at, r.gateway_payment_id || '-refunded-' || r.return_id) < (%(before_at)s, %(before_id)s)
       and (%(way)s::text is null or %(way)s = 'gateway')
       and (%(search)s::text is null
            or %(search)s in (r.gateway_payment_id, r.gateway_payment_id || '-refunded-' || r.return_id))
     order by r.recorded_at desc limit %(most)s)
    union all
    (select 'outside', 'paid-outside-refund-' || b.adjustment_id, b.statement_id, b.paid_on, b.currency,
            -b.amount_minor, b.minor_unit, b.actor, b.recorded_at, b.reference, null
     from billing.adjustment b
     where b.kind = 'refund_outside' and b.recorded_at >= %(since)s and b.recorded_at < %(until)s
       and (b.recorded_at, 'paid-outside-refund-' || b.adjustment_id) < (%(before_at)s, %(before_id)s)
       and (%(way)s::text is null or %(way)s = 'outside')
       and (%(search)s::text is null or %(search)s in (b.reference, 'paid-outside-refund-' || b.adjustment_id))
     order by b.recorded_at desc limit %(most)s)
) p
join billing.statement s on s.statement_id = p.statement_id
order by p.recorded_at desc, p.payment_id desc
limit %(most)s
