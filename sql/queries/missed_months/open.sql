-- Missed months that aren't forgiven, as of a time, the oldest first: of an account, of a month, or of both.
select m.account_id, m.period
  from billing.missed_months_at(%(now)s, %(account_id)s) m
  left join billing.forgiven_in() f on f.period = m.period and f.account_id = m.account_id
 where f.account_id is null and (%(period)s::text is null or m.period = %(period)s)
 order by m.period, m.account_id limit %(limit)s
