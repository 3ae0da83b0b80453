-- Where the gateway's list and our record disagree, both ways. A charge for an attempt without a known outcome is no
-- break for the first hour, while it is still being resolved, unless it was raised as one already. What was booked by
-- hand (Mark as Paid with the payment's id as reference) and not undone counts as recorded; what was refunded, or lost
-- in a dispute, counts as not charged, and once that is acknowledged as not recorded either. A statement's payments are
-- judged together: what the gateway has too much for it, or too little, is a break; if one of two was refunded, neither
-- is. A payment whose id is the reference of another statement is a break until that is undone (booked_on). What was
-- given back of a recorded payment is a break until it is acknowledged: a credit of the statement isn't used up before.
-- A dispute is a break while it is open; won, it is listed too. since: payments and attempts from then on; listed_at:
-- when the list was begun.
with listed as (
    select l.*, l.created_at >= %(since)s as is_asked,
           l.claimed_at < %(listed_at)s - interval '1 hour' or exists (
               select from billing.payment_break b
               where b.kind = 'charged_not_recorded' and b.gateway_payment_id = l.gateway_payment_id
                 and b.gone_at is null) as is_old
    from billing.listed_payment l
    where l.created_at >= %(since)s or l.gateway_payment_id in (
        select o.gateway_payment_id from billing.gateway_payment n
        join billing.gateway_payment o on o.statement_id = n.statement_id
        where n.created_at >= %(since)s and o.created_at < %(since)s)
), netted as (
    select l.*, case when statement_id is null or is_open then kept_minor - recorded_minor
                     else sum(kept_minor - recorded_minor) over (partition by statement_id, currency, is_open)
                end as surplus_minor
    from listed l
), judged as (
    select n.*, case
            -- A refund of ours is under way: what came of it is asked first.
            when kept_minor < recorded_minor and exists (
                select from billing.refund_attempt r
                where r.statement_id = n.statement_id and r.outcome in ('pending', 'unknown')) then null
            when kept_minor = recorded_minor then case when elsewhere is not null then 'amount_differs' end
            when surplus_minor = 0 or (kept_minor > recorded_minor) <> (surplus_minor > 0) then null
            when is_open and not is_as_asked then 'amount_differs'
            when is_open then case when is_old then 'charged_not_recorded' end
            when kept_minor < recorded_minor and lost_minor > 0 then 'dispute_lost'
            when kept_minor < recorded_minor and refunded_minor > 0 then 'refunded'
            when recorded_minor > 0 or is_its_own then 'amount_differs'
            when recorded_outcome = 'succeeded' then 'duplicate'
            else 'charged_not_recorded'
        end as kind
    from netted n
)
select kind, gateway_payment_id, attempt_id, statement_id, currency,
       case when kept_minor = recorded_minor then elsewhere_minor else 0 end + recorded_minor as recorded_minor,
       kept_minor as gateway_minor, elsewhere as booked_on
from judged
where kind is not null and is_asked
union all
select 'dispute_' || dispute, gateway_payment_id, attempt_id, statement_id, currency, recorded_minor, kept_minor, null
from listed where is_asked and dispute in ('opened', 'won') and kept_minor > 0
union all
select 'recorded_not_charged', a.gateway_payment_id, a.attempt_id, a.statement_id, a.currency, a.amount_minor,
       0::bigint, null
from billing.payment_attempt a
left join billing.gateway_payment g on g.gateway_payment_id = a.gateway_payment_id and g.gone_at is null
where a.outcome = 'succeeded' and coalesce(a.sent_at, a.requested_at) >= %(since)s and a.settled_at < %(listed_at)s
  and g.outcome is distinct from 'succeeded'
order by kind, gateway_payment_id;
