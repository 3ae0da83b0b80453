-- Connectors excluded in a month, by rule, for the closing table of `evbilling demo`. Parameter: period.
select rule_id, count(*) from finance.connector_decisions
 where period = %(period)s and not is_billed group by rule_id order by count(*) desc, rule_id;
