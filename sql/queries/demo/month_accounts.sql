-- The account statements of a month by currency, with what their items come to. Parameter: period.
select s.currency, count(distinct s.statement_id),
       sum(i.total_amount) filter (where i.item_kind = 'opening_balance'),
       sum(i.total_amount) filter (where i.item_kind in ('connector_statement', 'correction')),
       sum(i.total_amount) filter (where i.item_kind = 'charge'),
       -sum(i.settled_amount),
       sum(i.total_amount) filter (where i.item_kind in ('payment', 'paid_outside')),
       sum(i.total_amount - i.settled_amount)
  from finance.statements s join finance.account_statement_items i using (statement_id)
 where s.period = %(period)s and s.kind = 'account' group by s.currency order by s.currency;
