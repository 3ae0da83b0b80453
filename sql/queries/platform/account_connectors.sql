-- The connectors of one account's chargers around a count, for the preview of its billing.
select charger_id, connector_id, standard, power_type, status,
       greatest(valid_from, '0001-01-01') as valid_from, least(valid_to, '9999-12-31') as valid_to
from {connector} as co
where charger_id in (select charger_id from {charger} as ch where account_id = %(account_id)s)
  and (valid_from is null or valid_from <= %(last)s) and (valid_to is null or valid_to > %(first)s)
