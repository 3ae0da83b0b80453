-- How many attempts a batch has, how many of them aren't to be sent any more, and how many of these failed. They were
-- opened together, so the index on requested_at finds them.
select count(*), count(*) filter (where outcome <> 'pending'),
    count(*) filter (where outcome not in ('pending', 'succeeded'))
from billing.payment_attempt
where batch = %(batch)s and outcome <> 'refused'
  and requested_at >= (
      select min(requested_at) - interval '1 day'
      from billing.payment_attempt
      where batch = %(batch)s and outcome = 'pending'
  )
