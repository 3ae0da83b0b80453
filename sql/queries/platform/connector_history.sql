-- History rows around the count of connectors that an extraction found twice.
select co.charger_id, co.connector_id,
       greatest(co.valid_from, '0001-01-01') as valid_from, least(co.valid_to, '9999-12-31') as valid_to
from {connector} co
where co.charger_id = any(%(chargers)s)
  and (co.valid_from is null or co.valid_from <= %(last)s) and (co.valid_to is null or co.valid_to > %(first)s)
order by co.charger_id, co.connector_id, co.valid_from nulls first
