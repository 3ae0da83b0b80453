-- Accounts of a plan that differ from the month before, the largest change of money first; or one account.
select account_id, account_name, currency, connectors_before, connectors_now,
       billing.major(total_before_minor, minor_unit) as total_before,
       billing.major(total_now_minor, minor_unit) as total_now,
       is_on_hold, is_first, expected_connectors, billing.major(expected_minor, minor_unit) as expected
from billing.plan_account
where plan_id = %(plan_id)s
  and case when %(account_id)s::text is not null then account_id = %(account_id)s
           else total_before_minor <> total_now_minor or connectors_before <> connectors_now end
-- A quotient is the nearest double: equal amounts of other minor units are equal, and numerics would take ten times as
-- long.
order by abs(total_now_minor - total_before_minor) / power(10::double precision, minor_unit) desc,
         account_id collate "C", currency
limit %(limit)s offset %(first)s;
