-- The plan that a run would issue, or the last one that it made, and whether it has waited so long that its
-- numbers and times are drawn anew.
select plan_id, plan_hash, epoch, made_at < now() - interval '10 minutes' as has_waited
from billing.plan
where run_id = %(run_id)s
order by superseded_at is null desc, plan_id desc
limit 1;
