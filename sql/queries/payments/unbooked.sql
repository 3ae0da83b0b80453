-- Open breaks of successes that came to attempts of an occasion and aren't accounted for yet: as Break.
select b.kind, b.gateway_payment_id, b.attempt_id, l.statement_id, l.currency, l.recorded_minor,
       l.kept_minor as gateway_minor, l.elsewhere as booked_on
from billing.payment_break b
join billing.payment_attempt a on a.attempt_id = b.attempt_id
join billing.listed_payment l on l.gateway_payment_id = b.gateway_payment_id
where a.occasion = %(occasion)s and b.gone_at is null and b.kind in ('charged_not_recorded', 'duplicate')
  and l.kept_minor > l.recorded_minor
order by b.kind, b.gateway_payment_id;
