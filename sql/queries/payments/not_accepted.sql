-- The attempts on an occasion that the gateway refused for a reason of ours and that nothing came after.
select a.statement_id, a.decline_code, a.message
from billing.payment_attempt a
where a.occasion = %(occasion)s and a.outcome = 'refused'
  and not exists (select from billing.payment_attempt n
                  where n.statement_id = a.statement_id and n.attempt_no > a.attempt_no)
order by a.statement_id;
