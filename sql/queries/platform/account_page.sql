-- One page of the platform's accounts in order of their ids, for the Account Billing page. Keyset paging: the last page
-- costs as much as the first. {beyond} and {direction} reverse the order for the page before. pattern: a LIKE pattern,
-- null for all; edge: the id to continue from, null for the start.
select distinct on (account_id collate "C") account_id, name, country, time_zone, currency, language
from {account} as a
where account_id is not null
  and (%(edge)s::text is null or account_id collate "C" {beyond} %(edge)s::text)
  and (%(pattern)s::text is null or account_id ilike %(pattern)s or name ilike %(pattern)s)
order by account_id collate "C" {direction}, name
limit %(size)s
