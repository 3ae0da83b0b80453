-- Connector statements with what they amount to after their corrections, and whether a charge of each is under way,
-- and whether it is written off.
select e.statement_id, e.account_id, e.period, e.currency, e.minor_unit, e.total_minor,
       exists (select from billing.payment_attempt a
               where a.statement_id = e.statement_id and a.outcome in ('pending', 'unknown')) as is_waiting,
       exists (select from billing.receivable r
               where r.statement_id = e.statement_id and r.last_way = 'write_off') as is_written_off
from billing.effective_statement e
where e.statement_id = any(%(statements)s)
order by e.statement_id
