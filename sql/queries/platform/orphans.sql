-- How many connectors of one part have a charger that the source doesn't know at all, with up to five examples. Asked
-- only if the part has connectors without a charger around the count.
select count(*), (array_agg(name order by name))[1:5]
from (select coalesce(co.charger_id, '(no charger_id)') || '/'
             || coalesce(co.connector_id::text, '(no connector_id)') as name
      from (select * from {connector} as co
            where (valid_from is null or valid_from <= %(last)s) and (valid_to is null or valid_to > %(first)s)
              and {in_part}) co
      where not exists (select from {charger} ch where ch.charger_id = co.charger_id)) orphan
