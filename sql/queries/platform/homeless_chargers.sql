-- Accounts that the platform doesn't know, with the chargers around the count that are theirs by their rows: how many,
-- and two of them, and where the first was before. Those with most chargers first.
select h.account_id, h.chargers, h.ids, before.account_id, before.valid_to::date::text
from (
    select ch.account_id, count(*) as chargers,
           array[min(ch.charger_id collate "C"), max(ch.charger_id collate "C")] as ids
    from {charger} ch
    where (ch.valid_from is null or ch.valid_from <= %(last)s) and (ch.valid_to is null or ch.valid_to > %(first)s)
      and not exists (select from {account} a where a.account_id = ch.account_id)
    group by ch.account_id order by count(*) desc, ch.account_id collate "C" limit 5
) h
left join lateral (
    select p.account_id, p.valid_to from {charger} p
    where p.charger_id = h.ids[1] and p.valid_to is not null and p.valid_to < 'infinity'
      and exists (select from {account} a where a.account_id = p.account_id)
    order by p.valid_to desc limit 1
) before on true
order by h.chargers desc, h.account_id collate "C"
