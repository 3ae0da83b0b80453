-- The chargers of one account around a count, with their rows at other accounts: a charger may have moved, or two
-- accounts may claim it. For the preview of an account's billing. Rows without a charger_id come last: they are to be
-- told, too.
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
