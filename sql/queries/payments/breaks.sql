-- Where the gateway's list and our record disagree, both ways. A charge for an attempt without a known outcome is no
-- break for the first hour, while it is still being resolved. What was booked by hand (Mark as Paid with the payment's
-- id as reference) and not undone counts as recorded; what was refunded counts as not charged. A refund of a recorded
-- payment is a break until a correction has credited the statement with as much. since: payments and attempts from then
-- on; listed_at: when the list was begun.
with listed as (
    select g.gateway_payment_id, g.attempt_id, coalesce(a.statement_id, g.statement_id) as statement_id, g.currency,
           g.amount_minor - g.refunded_minor as kept_minor, g.refunded_minor, a.outcome as recorded_outcome,
           coalesce(a.outcome in ('pending', 'unknown'), false) as is_open,
           a.claimed_at < %(listed_at)s - interval '1 hour' as is_old,
           coalesce((a.amount_minor, a.currency) = (g.amount_minor, g.currency), false) as is_as_asked,
           coalesce(a.outcome = 'succeeded' and a.gateway_payment_id = g.gateway_payment_id, false) as is_its_own,
           case when a.outcome = 'succeeded' and a.gateway_payment_id = g.gateway_payment_id and a.currency = g.currency
                then a.amount_minor else 0 end + o.booked_minor as recorded_minor
    from billing.gateway_payment g
    left join billing.payment_attempt a on a.attempt_id = g.attempt_id
    cross join lateral (
        select coalesce(sum(p.amount_minor), 0)::bigint as booked_minor from billing.paid_outside p
        where p.reference = g.gateway_payment_id and p.currency = g.currency and not exists (
            select from billing.paid_outside_reversal r where r.paid_outside_id = p.paid_outside_id)) o
    where g.created_at >= %(since)s and g.outcome = 'succeeded' and g.gone_at is null
), judged as (
    select l.*, case
            when kept_minor = recorded_minor then null
            when is_open and not is_as_asked then 'amount_differs'
            when is_open then case when is_old then 'charged_not_recorded' end
            when kept_minor < recorded_minor and refunded_minor > 0 then 'refunded'
            when recorded_minor > 0 or is_its_own then 'amount_differs'
            when recorded_outcome = 'succeeded' then 'duplicate'
            else 'charged_not_recorded'
        end as kind
    from listed l
)
select kind, gateway_payment_id, attempt_id, statement_id, currency, recorded_minor, kept_minor as gateway_minor
from (select j.*, sum(recorded_minor - kept_minor) over (partition by statement_id, kind) as missing_minor
      from judged j) j
where kind is not null
  and not (kind = 'refunded' and missing_minor <= -coalesce(billing.balance_minor(statement_id), 0))
union all
select 'recorded_not_charged', a.gateway_payment_id, a.attempt_id, a.statement_id, a.currency, a.amount_minor, 0::bigint
from billing.payment_attempt a
left join billing.gateway_payment g on g.gateway_payment_id = a.gateway_payment_id and g.gone_at is null
where a.outcome = 'succeeded' and coalesce(a.sent_at, a.requested_at) >= %(since)s and a.settled_at < %(listed_at)s
  and g.outcome is distinct from 'succeeded'
order by kind, gateway_payment_id;
