-- The time now, since when the gateway must be listed to look at every open break again (null if there is none), and
-- the numbers of the open breaks.
select clock_timestamp(), min(least(b.first_seen_at, g.created_at, a.sent_at)),
       coalesce(array_agg(b.break_id), array[]::bigint[])
from billing.payment_break b
left join billing.gateway_payment g using (gateway_payment_id)
left join billing.payment_attempt a on a.attempt_id = b.attempt_id
where b.gone_at is null;
