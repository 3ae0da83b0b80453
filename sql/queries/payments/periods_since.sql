-- The periods whose connector statements were charged, marked as paid, no longer marked as paid or adjusted since a
-- time.
select distinct s.period::text
from billing.statement s
where s.statement_id in (
    select statement_id from billing.payment_attempt where requested_at >= %(since)s
    union select statement_id from billing.paid_outside where recorded_at >= %(since)s
    union select statement_id from billing.paid_outside_reversal where recorded_at >= %(since)s
    union select statement_id from billing.payment_return where recorded_at >= %(since)s
    union select statement_id from billing.adjustment where recorded_at >= %(since)s)
order by 1;
