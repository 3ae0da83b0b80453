create or replace view finance.plan_approvals with (security_barrier) as
select p.plan_id,
       p.period::text as period,
       p.run_id,
       p.plan_hash,
       coalesce(d.scope, q.scope) as scope,
       q.reason_ids as asked_because,
       q.reasons,
       q.asked_at,
       q.remind_at,
       q.due_at,
       d.decision_id is null and p.superseded_at is null and p.issued_at is null as is_waiting,
       d.decision,
       d.decided_by,
       d.actor,
       d.reason,
       d.decided_at,
       d.policy_id
from billing.approval_request q
full join billing.plan_decision d on d.plan_id = q.plan_id and d.scope = q.scope
join billing.plan p on p.plan_id = coalesce(d.plan_id, q.plan_id);

comment on view finance.plan_approvals is 'One row per plan of a month and what of it was decided on, or waits for a person';
comment on column finance.plan_approvals.plan_id is 'Number of the plan, as in finance.plans';
comment on column finance.plan_approvals.period is 'Billing period, YYYY-MM';
comment on column finance.plan_approvals.run_id is 'The billing run whose plan it is';
comment on column finance.plan_approvals.plan_hash is 'Hash over everything that would be issued; the decision is bound to it';
comment on column finance.plan_approvals.scope is 'all; canary: the first few statements; rest: those that the canary left';
comment on column finance.plan_approvals.asked_because is 'Why a person is asked, as ids of docs/rules.md; null if nobody was';
comment on column finance.plan_approvals.reasons is 'The same in words with figures; null if nobody was asked';
comment on column finance.plan_approvals.asked_at is 'Since when it waits, or waited, for a person; null if nobody was asked';
comment on column finance.plan_approvals.remind_at is 'From when on a reminder is due while it waits';
comment on column finance.plan_approvals.due_at is 'When it is rejected if nobody answers';
comment on column finance.plan_approvals.is_waiting is 'True while it waits for a person';
comment on column finance.plan_approvals.decision is 'approved or rejected; null while undecided';
comment on column finance.plan_approvals.decided_by is 'policy, person, or deadline if nobody answered in time';
comment on column finance.plan_approvals.actor is 'The person who decided, or the policy';
comment on column finance.plan_approvals.reason is 'Why, in that person''s words';
comment on column finance.plan_approvals.decided_at is 'When it was decided';
comment on column finance.plan_approvals.policy_id is 'The approval policy in force then; null if there was none';
