-- Why accounts of a plan differ from the month before.
select c.account_id, c.currency, c.cause, c.connectors, billing.major(c.minor, a.minor_unit) as amount
from billing.plan_change c
join billing.plan_account a using (plan_id, account_id, currency)
where c.plan_id = %(plan_id)s and c.account_id = any(%(accounts)s);
