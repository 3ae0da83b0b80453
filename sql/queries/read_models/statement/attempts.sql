-- The attempts to charge a connector statement, in order, for its page and PDF.
select attempt_no, trigger, requested_by, requested_at, amount, outcome, decline_code, payment_method,
       gateway_payment_id, settled_at
from finance.payment_attempts where statement_id = %(statement)s
order by attempt_no;
