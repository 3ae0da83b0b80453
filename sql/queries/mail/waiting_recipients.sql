-- The financial admins and accounts of the messages that wait, of these kinds, this period and these accounts (null:
-- any).
select distinct financial_admin_id, account_id
from billing.mail
where state = 'pending' and (%(kinds)s::text[] is null or kind = any(%(kinds)s))
  and (%(period)s::text is null or period = %(period)s)
  and (%(accounts)s::text[] is null or account_id = any(%(accounts)s))
