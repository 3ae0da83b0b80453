-- What of an account statement's closing balance comes from connector statements: these with their corrections and
-- payments, of this account statement and all earlier ones. The rest are other charges, which we don't collect.
select billing.major(coalesce(sum(total_minor), 0)::bigint, %(minor_unit)s) as due_here
from billing.account_statement_item
where account_id = %(account)s and statement_id <= %(statement)s
  and item_kind in ('connector_statement', 'correction', 'payment', 'paid_outside')
  -- What of an other charge was settled since it was listed.
  and not (item_kind = 'paid_outside' and item_id like 'settled/%%');
