-- How many messages wait, of these kinds, this period and these accounts (null: any), and how many of them are due now.
select count(*), count(*) filter (where not_before <= clock_timestamp())
from billing.mail
where state = 'pending' and (%(kinds)s::text[] is null or kind = any(%(kinds)s))
  and (%(period)s::text is null or period = %(period)s)
  and (%(accounts)s::text[] is null or account_id = any(%(accounts)s))
