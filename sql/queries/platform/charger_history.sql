-- History rows around the count of chargers that have several: the charger has moved, or its rows overlap. Accounts
-- without billing are included: a charger that two accounts claim at once is a fault whatever the other account is.
select charger_id, account_id,
       greatest(valid_from, '0001-01-01') as valid_from, least(valid_to, '9999-12-31') as valid_to
from {charger} as ch
where charger_id = any(%(chargers)s)
  and (valid_from is null or valid_from <= %(last)s) and (valid_to is null or valid_to > %(first)s)
order by charger_id, valid_from nulls first
