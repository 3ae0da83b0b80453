-- The connectors of one account's chargers around a count, for the preview of its billing.
select charger_id, connector_id, power_type, status,
       nullif(valid_from, '-infinity') as valid_from, nullif(valid_to, 'infinity') as valid_to
from {connector}
where charger_id in (select charger_id from {charger} where account_id = %(account_id)s)
  and (valid_from is null or valid_from <= %(last)s) and (valid_to is null or valid_to > %(first)s)
