-- History rows, around the count, of chargers that have several then: either the charger moved, or rows overlap.
-- Also for accounts without billing: a charger claimed by two accounts at once is a fault, whoever the other is.
select charger_id, account_id, nullif(valid_from, '-infinity') as valid_from, nullif(valid_to, 'infinity') as valid_to
from {charger}
where charger_id = any(%(chargers)s)
  and (valid_from is null or valid_from <= %(last)s) and (valid_to is null or valid_to > %(first)s)
order by charger_id, valid_from nulls first
