-- What named statements stand at now, for the pages that act on them and say what came of it. Parameter: statements (ids).
-- One look-up for each: asked for all at once, the view would add up the whole ledger.
select s.statement_id, s.kind, s.account_id, s.account_name, s.financial_admin_id, s.period, s.currency,
       s.total_amount, s.paid_amount, s.balance_due, s.status,
       exists (select from billing.payment_attempt a
               where a.statement_id = s.statement_id and a.outcome = 'declined') as has_failed,
       last.decline_code
from unnest(%(statements)s::text[]) as named (statement_id)
cross join lateral (select * from finance.statements f where f.statement_id = named.statement_id offset 0) s
left join lateral (
    select a.decline_code from billing.payment_attempt a
    where a.statement_id = s.statement_id order by a.attempt_no desc limit 1) last on true;
