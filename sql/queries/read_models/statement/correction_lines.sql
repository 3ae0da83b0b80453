-- A page of the connectors that a correction changes, in key order, for the pages and PDFs of the correction and of the
-- corrected statement. Starts after the given charger and connector, null for the beginning.
select d.*, n.name, n.site
from (
    select charger_id, connector_id, power_type, billing.major(before_minor, %(minor_unit)s::smallint) as before,
           billing.major(after_minor, %(minor_unit)s::smallint) as after, rule_id, is_there
    from billing.correction_line
    where correction_id = %(correction)s
      and (%(charger)s::text is null or (charger_id, connector_id) > (%(charger)s, %(connector)s::integer))
    order by charger_id, connector_id
    limit %(most)s) d
left join lateral (
    select * from billing.charger_name
    where account_id = %(account)s and charger_id = d.charger_id and from_period <= %(period)s
    order by from_period desc limit 1) n on true
order by d.charger_id, d.connector_id;
