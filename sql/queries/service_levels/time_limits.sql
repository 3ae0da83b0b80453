-- Every time limit ever recorded, for the page Service levels and `evbilling policy time-limits`: those in force today
-- first, then the newest first.
select p.service_level, p.effective_from,
       case when p.is_expected then round(extract(epoch from p.due_after) / 3600, 2) end as hours,
       p.policy_id = (
           select o.policy_id from billing.service_level_policy o
           where o.service_level = p.service_level
             and o.effective_from <= (clock_timestamp() at time zone 'UTC')::date
           order by o.effective_from desc, o.policy_id desc
           limit 1
       ) as is_in_force,
       p.actor, p.reason, p.recorded_at
from billing.service_level_policy p
order by is_in_force desc, p.policy_id desc
