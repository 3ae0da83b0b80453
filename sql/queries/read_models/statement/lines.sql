-- A page of a connector statement's lines in key order, for its CSV. Starts after the given charger and connector, null
-- for the beginning.
select d.*, n.name, n.site, n.scope_status,
       coalesce(n.standards ->> d.connector_id::text, case when d.connector_id > 0 then n.standard end) as standard
from (
    select charger_id, connector_id, power_type, billing.major(unit_price_minor, %(minor_unit)s::smallint) as price
    from billing.connector_decision
    where period = %(period)s and account_id = %(account)s and rule_id is null
      and (%(charger)s::text is null or (charger_id, connector_id) > (%(charger)s, %(connector)s::integer))
    order by charger_id, connector_id
    limit %(most)s) d
left join lateral (
    select * from billing.charger_name
    where account_id = %(account)s and charger_id = d.charger_id and from_period <= %(period)s
    order by from_period desc limit 1) n on true
order by d.charger_id, d.connector_id;
