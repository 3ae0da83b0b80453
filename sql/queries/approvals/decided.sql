-- The decisions on a period's plans, the newest first, with what became of each plan.
select a.plan_id, a.plan_hash, a.scope, a.decision, a.decided_by, a.actor, a.reason, a.decided_at, p.issued_at,
       p.superseded_at, p.statements
from finance.plan_approvals a join billing.plan p on p.plan_id = a.plan_id
where a.period = %(period)s and a.decision is not null
order by a.decided_at desc
