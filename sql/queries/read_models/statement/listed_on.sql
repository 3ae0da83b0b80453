-- The account statement that lists a connector statement or correction, and those that list its payments, in order, for
-- its page. An item is on at most one account statement.
select distinct s.statement_id, s.statement_date
from billing.account_statement_item i
join billing.statement s on s.statement_id = i.statement_id
where (i.item_kind = %(kind)s and i.item_id = %(item)s)
   or (i.item_kind in ('payment', 'paid_outside') and i.item_id = any(%(payments)s))
order by 1;
