-- A run's staged decisions counted by account, rule, power type and price, for the validation.
select account_id, coalesce(rule_id, 'billed') as rule_id, power_type, unit_price_minor, count(*) as connectors
from {stage}
group by account_id, coalesce(rule_id, 'billed'), power_type, unit_price_minor;
