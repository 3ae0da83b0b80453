-- The billed connectors of a connector statement by site, the largest first; null: the site isn't known. Reads all
-- connectors of the account.
select n.site, count(distinct d.charger_id) as chargers, count(*) filter (where d.power_type = 'AC') as ac_count,
       count(*) filter (where d.power_type = 'DC') as dc_count,
       billing.major(sum(d.unit_price_minor)::bigint, %(minor_unit)s::smallint) as subtotal
from billing.connector_decision d
left join billing.charger_name n
  on n.account_id = d.account_id and n.charger_id = d.charger_id and n.from_period <= d.period
     and coalesce(n.until_period > d.period, true)
where d.period = %(period)s and d.account_id = %(account)s and d.rule_id is null
group by n.site
order by count(*) desc, n.site;
