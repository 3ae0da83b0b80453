-- The payments of a connector statement as finance sees them, in order, for its page and PDF.
select paid_by, payment_id, paid_on, amount, recorded_by, recorded_at, reference, reversed_at, reverses_payment_id
from finance.payments where statement_id = %(statement)s
order by recorded_at, payment_id;
