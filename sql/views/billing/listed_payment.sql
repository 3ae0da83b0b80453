-- Each payment that the gateway has collected for this warehouse, beside what we have recorded of it. What was
-- refunded, or lost in a dispute, counts as not collected, and once it is acknowledged as not recorded either. An
-- attempt accounts for its own payment; a payment marked as paid accounts for the one whose id is its reference, if it
-- is of the same statement and currency and wasn't undone. `attempt_id` is the attempt that the payment names; the
-- attempt counts only if it is of the statement that the payment names: after a restore, attempts have numbers that
-- were given before. `elsewhere`: other statements that have the payment's id as a reference.
create or replace view billing.listed_payment as
select g.gateway_payment_id, g.created_at, g.attempt_id, s.statement_id, g.currency, g.amount_minor, g.refunded_minor,
       g.amount_minor - g.refunded_minor - l.lost_minor as kept_minor,
       case when own.currency = g.currency then own.amount_minor - r.acknowledged_minor else 0 end + o.booked_minor
           as recorded_minor,
       own.attempt_id is not null as is_its_own,
       a.outcome as recorded_outcome,
       coalesce(a.outcome in ('pending', 'unknown'), false) as is_open,
       coalesce((a.amount_minor, a.currency) = (g.amount_minor, g.currency), false) as is_as_asked,
       a.claimed_at,
       o.elsewhere, o.elsewhere_minor,
       own.attempt_id as own_attempt_id, g.dispute, l.lost_minor, r.acknowledged_minor
from billing.gateway_payment g
left join billing.payment_attempt own
    on own.gateway_payment_id = g.gateway_payment_id and own.outcome = 'succeeded'
left join billing.payment_attempt a on a.attempt_id = g.attempt_id and (
        g.statement_id is null or g.statement_id = a.statement_id
        or not exists (select from billing.statement k where k.statement_id = g.statement_id))
cross join lateral (select coalesce(own.statement_id, a.statement_id, g.statement_id) as statement_id) s
cross join lateral (
    select case when g.dispute = 'lost' then least(g.disputed_minor, g.amount_minor - g.refunded_minor)
                else 0 end as lost_minor) l
cross join lateral (
    select coalesce(sum(m.amount_minor), 0)::bigint as acknowledged_minor from billing.payment_return m
    where m.attempt_id = own.attempt_id) r
cross join lateral (
    select coalesce(sum(p.amount_minor) filter (where p.is_here), 0)::bigint as booked_minor,
           coalesce(sum(p.amount_minor) filter (where not p.is_here), 0)::bigint as elsewhere_minor,
           string_agg(distinct p.statement_id, ', ') filter (where not p.is_here) as elsewhere
    from (select m.*, m.currency = g.currency and coalesce(m.statement_id = s.statement_id, true) as is_here
          from billing.paid_outside m
          where m.reference = g.gateway_payment_id and not exists (
              select from billing.paid_outside_reversal r where r.paid_outside_id = m.paid_outside_id)) p) o
where g.outcome = 'succeeded' and g.gone_at is null;
