-- Connectors that a month excludes by rule, the most first.
select rule_id, count(*)
from finance.connector_decisions
where period = %(period)s and not is_billed
group by rule_id
order by count(*) desc, rule_id;
