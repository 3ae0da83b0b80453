-- Accounts on hold in a plan, the most money expected first.
select account_id, account_name, currency, connectors_before, connectors_now,
       billing.major(total_before_minor, minor_unit) as total_before,
       billing.major(total_now_minor, minor_unit) as total_now,
       is_on_hold, is_first, expected_connectors, billing.major(expected_minor, minor_unit) as expected
from billing.plan_account
where plan_id = %(plan_id)s and is_on_hold
order by expected_minor desc nulls last, account_id collate "C"
limit %(limit)s;
