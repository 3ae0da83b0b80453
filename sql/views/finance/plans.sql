create or replace view finance.plans with (security_barrier) as
select plan_id,
       period::text as period,
       run_id,
       case when issued_at is not null then 'issued' when superseded_at is not null then 'superseded' else 'planned' end
           as state,
       plan_hash,
       compared_with::text as compared_with,
       not_compared,
       statements,
       connectors,
       on_hold as accounts_on_hold,
       first_billed as accounts_first_billed,
       made_at,
       issued_at,
       superseded_at,
       superseded_by_run_id,
       (select count(*) from billing.plan_canary c where c.plan_id = p.plan_id) as canary_statements,
       canary_issued_at
from billing.plan p;

comment on view finance.plans is 'One row per plan of connector statements: what a run would issue, bound by a hash, and what became of it';
comment on column finance.plans.plan_id is 'Number of the plan, ascending';
comment on column finance.plans.period is 'Billing month, YYYY-MM';
comment on column finance.plans.run_id is 'Run that made it and would issue it';
comment on column finance.plans.state is 'planned: may still be issued; issued; superseded: a newer run of the month took its place, or its run staged something else';
comment on column finance.plans.plan_hash is 'SHA-256 over every decision, draft and account without a statement; nothing with another hash is issued';
comment on column finance.plans.compared_with is 'Last month billed before it, with which it is compared; null: compared with nothing';
comment on column finance.plans.not_compared is 'Why it is compared with nothing; null: it is compared';
comment on column finance.plans.statements is 'Statements that it issues';
comment on column finance.plans.connectors is 'Connectors that these bill';
comment on column finance.plans.accounts_on_hold is 'Accounts without a statement because of a fault';
comment on column finance.plans.accounts_first_billed is 'Accounts whose first connector statement it issues';
comment on column finance.plans.made_at is 'When it was made, the last time';
comment on column finance.plans.issued_at is 'When it was issued';
comment on column finance.plans.superseded_at is 'When it was superseded';
comment on column finance.plans.superseded_by_run_id is 'Run that took its place; its own, if that has staged something else';
comment on column finance.plans.canary_statements is 'Statements that are issued first, before a person decides on the rest; 0: it has no canary';
comment on column finance.plans.canary_issued_at is 'When these were issued; issued_at is when the rest was';
