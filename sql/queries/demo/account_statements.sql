-- A month's account statements by currency, with what their items come to.
select s.currency, count(distinct s.statement_id) as statements,
       sum(i.total_amount) filter (where i.item_kind = 'opening_balance') as opening,
       sum(i.total_amount) filter (where i.item_kind in ('connector_statement', 'correction')) as connector_statements,
       sum(i.total_amount) filter (where i.item_kind = 'charge') as charges,
       -sum(i.settled_amount) as settled,
       sum(i.total_amount) filter (where i.item_kind in ('payment', 'paid_outside')) as payments,
       sum(i.total_amount - i.settled_amount) as closing
from finance.statements s
join finance.account_statement_items i using (statement_id)
where s.period = %(period)s and s.kind = 'account'
group by s.currency
order by s.currency;
