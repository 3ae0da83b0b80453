-- The current state of the given statements, for the pages that act on them. One look-up for each: asked for all at
-- once, the view would add up the whole ledger.
select s.statement_id, s.kind, s.account_id, s.account_name, s.financial_admin_id, s.period, s.currency,
       s.total_amount, s.paid_amount, s.balance_due, s.status,
       coalesce(tried.has_failed, false) as has_failed, tried.decline_code
from unnest(%(statements)s::text[]) as named (statement_id)
cross join lateral (select * from finance.statements f where f.statement_id = named.statement_id offset 0) s
cross join lateral (
    select bool_or(a.outcome = 'declined') as has_failed,
           (array_agg(a.decline_code order by a.attempt_no desc))[1] as decline_code
    from billing.payment_attempt a where a.statement_id = named.statement_id) tried;
