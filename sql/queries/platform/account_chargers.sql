-- The chargers of one account around a count, for the preview of its billing. Includes their rows at other accounts,
-- since a charger may have moved or be claimed twice. Rows without a charger_id come last, so that they are reported.
select charger_id, account_id, scope_status,
       nullif(valid_from, '-infinity') as valid_from, nullif(valid_to, 'infinity') as valid_to
from {charger}
where charger_id in (select charger_id from {charger} where account_id = %(account_id)s)
  and (valid_from is null or valid_from <= %(last)s) and (valid_to is null or valid_to > %(first)s)
union all
select charger_id, account_id, scope_status, nullif(valid_from, '-infinity'), nullif(valid_to, 'infinity')
from {charger}
where charger_id is null and account_id = %(account_id)s
  and (valid_from is null or valid_from <= %(last)s) and (valid_to is null or valid_to > %(first)s)
