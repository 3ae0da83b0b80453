-- How many charges the platform has of the given accounts, each within its own window, with their exact sums: the check
-- that charges.sql brought all of them.
select c.account_id, count(*) as charges, sum(c.net_amount + c.tax_amount)::text as total_amount,
       sum(c.settled_amount)::text as settled_amount
from {account_charge} c
join unnest(%(accounts)s::text[], %(window)s::integer[]) as a (account_id, number) on a.account_id = c.account_id
join unnest(%(since)s::timestamptz[], %(until)s::timestamptz[]) with ordinality as at (since, until, number)
  on at.number = a.number
where c.occurred_at >= at.since and c.occurred_at < at.until or c.occurred_at is null
   or c.occurred_at in ('infinity', '-infinity')
group by c.account_id
