-- The chargers of one account around a count, for the preview of its billing. Includes their rows at other accounts,
-- since a charger may have moved or be claimed twice. Rows without a charger_id come last, so that they are reported.
select charger_id, account_id, name, site, scope_status,
       greatest(valid_from, '0001-01-01') as valid_from, least(valid_to, '9999-12-31') as valid_to
from {charger} as ch
where charger_id in (select charger_id from {charger} as own where account_id = %(account_id)s)
  and (valid_from is null or valid_from <= %(last)s) and (valid_to is null or valid_to > %(first)s)
union all
select charger_id, account_id, name, site, scope_status,
       greatest(valid_from, '0001-01-01'), least(valid_to, '9999-12-31')
from {charger} as ch
where charger_id is null and account_id = %(account_id)s
  and (valid_from is null or valid_from <= %(last)s) and (valid_to is null or valid_to > %(first)s)
