-- The platform's charges of the given accounts, each within its own window, for the account statements. Charges without
-- a time, or at an infinite one, are included without it, so that they are reported as a fault. Amounts are text:
-- decimals must arrive exactly.
select c.account_id, c.charge_id, c.kind, c.description,
       case when isfinite(c.occurred_at) then c.occurred_at end as occurred_at,
       c.net_amount::text as net_amount, c.tax_amount::text as tax_amount, c.currency,
       c.settled_amount::text as settled_amount
from unnest(%(accounts)s::text[], %(window)s::integer[]) as a (account_id, number)
join unnest(%(since)s::timestamptz[], %(until)s::timestamptz[]) with ordinality as at (since, until, number)
  on at.number = a.number
join {account_charge} c on c.account_id = a.account_id
 and (c.occurred_at >= at.since and c.occurred_at < at.until or c.occurred_at is null
      or c.occurred_at in ('infinity', '-infinity'))
