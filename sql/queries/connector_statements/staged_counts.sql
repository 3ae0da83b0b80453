-- What really lies in a run's staged decisions: a row per account, rule, power type and price. For the validation.
select account_id, coalesce(rule_id, 'billed') as rule_id, power_type, unit_price_minor, count(*) as connectors
from {stage}
group by account_id, coalesce(rule_id, 'billed'), power_type, unit_price_minor;
