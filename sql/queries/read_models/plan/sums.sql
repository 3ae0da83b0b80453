-- A plan's sums by currency, the largest first, and by cause (none: all of them).
select currency, cause, accounts, connectors_before, connectors_change,
       billing.major(total_before_minor, minor_unit) as total_before, billing.major(change_minor, minor_unit) as change
from billing.plan_sum
where plan_id = %(plan_id)s
order by currency, cause;
