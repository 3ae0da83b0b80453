-- A plan that is to be judged: what it would issue, when its run was opened, how it was decided on, and since when the
-- approval policy is another than in the month it is compared with; whether it has a canary, and whether one was issued
-- of its month and the rest wasn't.
select p.plan_id, p.plan_hash, p.period::text as period, p.statements, p.compared_with::text as compared_with,
       p.not_compared, r.opened_at,
       (select json_agg(json_build_array(d.scope, d.decision, d.decided_by, d.actor, d.reason) order by d.decision_id)
        from billing.plan_decision d where d.plan_id = p.plan_id) as decisions,
       billing.asks_four_eyes(p) and not coalesce((billing.policy_in_force(p.period)).four_eyes, false)
       as lost_four_eyes,
       exists (select from billing.plan_canary c where c.plan_id = p.plan_id) as has_canary,
       billing.is_partly_issued(p.period) as is_partly_issued
from billing.plan p join billing.run r on r.run_id = p.run_id
where p.plan_id = %(plan_id)s
