-- The adjustments of a statement that wait for a second person, oldest first.
select
    adjustment_request_id,
    kind,
    amount,
    currency,
    customer_text,
    requested_by,
    reason,
    paid_on,
    reference
from finance.adjustments
where statement_id = %(statement_id)s and not is_carried_out
order by adjustment_request_id
