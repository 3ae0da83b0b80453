-- One page of the platform's accounts, in order of their ids, for the Account Billing page: by keyset, so that the
-- last page costs what the first does. {beyond} and {direction} turn the order around for the page before.
-- Parameters: pattern (a LIKE pattern, null = all), edge (the id to go on from, null = from the start), size.
select distinct on (account_id collate "C") account_id, name, country, time_zone, currency
from {account}
where account_id is not null
  and (%(edge)s::text is null or account_id collate "C" {beyond} %(edge)s::text)
  and (%(pattern)s::text is null or account_id ilike %(pattern)s or name ilike %(pattern)s)
order by account_id collate "C" {direction}, name
limit %(size)s
