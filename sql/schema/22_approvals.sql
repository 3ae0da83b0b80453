-- Who lets a month be issued: the policy, from which period on; who was asked about a plan, until when and why; and
-- what was decided. publish_connector_statements() issues what a decision is bound to by the plan's hash, and nothing
-- else.
-- requires: functions/audit/refuse_change.sql

create table billing.approval_policy (
    policy_id bigint generated always as identity primary key,
    effective_from billing.period not null,
    mode text not null constraint policy_mode check (mode in ('at_once', 'within_limits', 'always')),
    -- Limits; null: there is none. Changes are against the last month billed; money in major units of each currency.
    max_connector_change_percent numeric(9, 2) check (max_connector_change_percent >= 0),
    max_money_change_percent numeric(9, 2) check (max_money_change_percent >= 0),
    max_account_change_percent numeric(9, 2) check (max_account_change_percent >= 0),
    -- An account's change of up to this much is never too large.
    account_change_floor numeric(14, 4) not null default 0 check (account_change_floor >= 0),
    max_accounts_on_hold integer check (max_accounts_on_hold >= 0),
    max_expected_on_hold numeric(14, 4) check (max_expected_on_hold >= 0),
    ask_first_month_of_account boolean not null,
    ask_first_month boolean not null,
    four_eyes boolean not null,
    -- Scheduler's and Airflow's limits of a run are set for at most ten days.
    deadline_hours integer not null constraint policy_deadline check (deadline_hours between 1 and 240),
    remind_hours integer not null constraint policy_reminder check (
        remind_hours >= 0 and remind_hours < deadline_hours
    ),
    late_after_hours integer not null constraint policy_late check (late_after_hours between 1 and 240),
    actor text not null check (actor <> ''),
    reason text not null check (reason <> ''),
    recorded_at timestamptz not null default now(),
    -- So many statements are issued first, the rest after a second word; 0: there is no canary.
    canary_statements integer not null default 0 constraint policy_canary check (canary_statements between 0 and 1000)
);
comment on table billing.approval_policy is 'When a month is issued at once and when a person is asked, by period';
create index approval_policy_effective on billing.approval_policy (effective_from desc, policy_id desc);
create trigger policy_is_append_only before update or delete on billing.approval_policy
for each row execute function billing.refuse_change();
create trigger policy_is_not_emptied before truncate on billing.approval_policy
for each statement execute function billing.refuse_change();

-- A row per plan and scope that a person is asked about. Asked again, as after a cleared task, the times are new.
create table billing.approval_request (
    plan_id bigint not null references billing.plan,
    scope text not null constraint request_scope check (scope in ('all', 'canary', 'rest')),
    asked_at timestamptz not null,
    remind_at timestamptz not null,
    due_at timestamptz not null,
    -- Ids of docs/rules.md, and each in words.
    reason_ids text [] not null,
    reasons text [] not null,
    primary key (plan_id, scope),
    constraint request_gives_reasons check (cardinality(reasons) > 0 and cardinality(reasons) = cardinality(reason_ids))
);
comment on table billing.approval_request is 'Which plan waits, or waited, for a person: since when, until when and why';
create trigger request_stays before delete on billing.approval_request
for each row execute function billing.refuse_change();
create trigger request_is_not_emptied before truncate on billing.approval_request
for each statement execute function billing.refuse_change();

create table billing.plan_decision (
    decision_id bigint generated always as identity primary key,
    plan_id bigint not null references billing.plan,
    plan_hash text not null,
    scope text not null constraint decision_scope check (scope in ('all', 'canary', 'rest')),
    decision text not null constraint decision_kind check (decision in ('approved', 'rejected')),
    -- deadline: nobody answered in time, which only rejects.
    decided_by text not null constraint decision_by check (
        decided_by in ('policy', 'person', 'deadline') and (decided_by <> 'deadline' or decision = 'rejected')
    ),
    -- In force when it was decided; null: there was none.
    policy_id bigint references billing.approval_policy,
    actor text not null check (actor <> ''),
    reason text not null check (reason <> ''),
    decided_at timestamptz not null default clock_timestamp(),
    constraint one_decision_per_scope unique (plan_id, scope)
);
comment on table billing.plan_decision is 'What was decided on a plan: by the policy, by a person or by the deadline';
create trigger decision_on_plan_is_immutable before update or delete on billing.plan_decision
for each row execute function billing.refuse_change();
create trigger decision_on_plan_is_not_emptied before truncate on billing.plan_decision
for each statement execute function billing.refuse_change();
