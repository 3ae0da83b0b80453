-- The facts of an inventory as a set, before any of it is read: for sharding, and to refuse a set that can't be right.
-- {connector} and {charger} are the source's relations; the window is first to last count instant of the period.
select (select count(*) from {connector}) as connector_rows,
       -- A row without a beginning was always so.
       (select min(greatest(coalesce(valid_from, '-infinity'), '0001-01-01 00:00+00')) from {charger}) as history_begins,
       (select count(*) from {connector} co
        where (co.valid_from is null or co.valid_from <= {last}) and (co.valid_to is null or co.valid_to > {first})
          and not exists (select from {charger} ch where ch.charger_id = co.charger_id)) as orphans,
       (select count(*) from {charger} ch
        where (ch.valid_from is null or ch.valid_from <= {last}) and (ch.valid_to is null or ch.valid_to > {first})
          and not exists (select from {account} a where a.account_id = ch.account_id)) as homeless_chargers;
