-- A few connectors whose charger the source doesn't know, to name them in the message.
select coalesce(co.charger_id, '(no charger_id)') || '/' || coalesce(co.connector_id::text, '(no connector_id)')
from {connector} co
where (co.valid_from is null or co.valid_from <= {last}) and (co.valid_to is null or co.valid_to > {first})
  and not exists (select from {charger} ch where ch.charger_id = co.charger_id)
order by 1 limit 5;
