-- Facts about a whole inventory before any of it is read: to size the shards, and to refuse an inventory that can't be
-- right. {connector} and {charger} are read once each; the window is from the first to the last count of the period.
with charger as (
    -- A row without valid_from always held. The years are those that Python knows.
    select min(least(greatest(coalesce(ch.valid_from, '-infinity'), '0001-01-01 00:00+00'), '9999-12-31 00:00+00'))
               as history_begins,
           count(*) filter (where w.is_counted and a.account_id is null) as homeless_chargers,
           count(*) filter (where w.is_counted and ch.charger_id is null and ch.account_id is not null)
               as nameless_chargers
    from {charger} ch
    left join (select distinct account_id from {account} as a) a on a.account_id = ch.account_id
    cross join lateral (select (ch.valid_from is null or ch.valid_from <= %(last)s)
                           and (ch.valid_to is null or ch.valid_to > %(first)s) as is_counted) w
)
select (select count(*) from {connector} as co) as connector_rows, history_begins, homeless_chargers, nameless_chargers
from charger;
