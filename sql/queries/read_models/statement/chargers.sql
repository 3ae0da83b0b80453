-- A page of a connector statement's chargers with their billed connectors, in order of charger, for its page and PDF.
-- In the key order of connector_decision, so that a page among millions costs the same. Starts after a charger, null
-- for the beginning; at most `connectors` of a charger are listed, its sums are of all.
select c.*, n.name, n.site, n.scope_status, n.standard, n.standards
from (
    select charger_id,
           (array_agg(connector_id order by connector_id))[1:%(connectors)s] as connectors,
           (array_agg(power_type order by connector_id))[1:%(connectors)s] as power_types,
           (array_agg(unit_price_minor order by connector_id))[1:%(connectors)s] as prices,
           count(*) filter (where power_type = 'AC')::integer as ac_count,
           count(*) filter (where power_type = 'DC')::integer as dc_count,
           sum(unit_price_minor)::bigint as subtotal_minor
    from billing.connector_decision
    where period = %(period)s and account_id = %(account)s and rule_id is null
      and charger_id > coalesce(%(after)s::text, '')
    group by charger_id
    order by charger_id
    limit %(chargers)s) c
left join lateral (
    select * from billing.charger_name
    where account_id = %(account)s and charger_id = c.charger_id and from_period <= %(period)s
    order by from_period desc limit 1) n on true
order by c.charger_id;
