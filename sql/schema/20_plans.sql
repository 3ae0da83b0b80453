-- What a month would issue before it issues it, and how that differs from the month before. A plan is bound to what is
-- staged by its hash: see billing.plan_hash_of() and billing.require_plan(). For the page Month and finance.plans.
-- requires: functions/audit/refuse_change.sql

create table billing.plan (
    plan_id bigint generated always as identity primary key,
    run_id bigint not null references billing.run,
    period billing.period not null,
    -- Over the decisions, drafts and unbilled accounts that the run has staged. An approval is of this hash.
    plan_hash text not null constraint plan_hash_is_sha256 check (plan_hash ~ '^[0-9a-f]{64}$'),
    -- Over the numbered statements, postings, standings and mail that number_drafts() makes of them. It isn't part of
    -- the hash: numbers of the ledger and times are drawn anew when a plan that has waited is issued.
    seal text not null,
    -- Of the fence of the period's issue: a plan with another than the fence has now is stale.
    epoch bigint not null,
    -- The last month billed before this one; null: there is none, or its decisions were archived, so that the plan is
    -- compared with nothing. `not_compared` says which.
    compared_with billing.period,
    compared_run_id bigint references billing.run,
    not_compared text,
    -- What it would issue: statements and connectors. Money is by currency: billing.plan_account has it.
    statements integer not null check (statements >= 0),
    connectors bigint not null check (connectors >= 0),
    on_hold integer not null check (on_hold >= 0),
    first_billed integer not null check (first_billed >= 0),
    made_at timestamptz not null default now(),
    superseded_at timestamptz,
    superseded_by_run_id bigint references billing.run,
    issued_at timestamptz,
    -- When its canary was issued; issued_at is when the rest was, or all of a plan without one.
    canary_issued_at timestamptz,
    constraint one_plan_per_content unique (run_id, plan_hash),
    constraint compared_or_says_why check ((compared_with is null) = (not_compared is not null)),
    constraint what_was_issued_stays check (issued_at is null or superseded_at is null)
);
comment on table billing.plan is 'One row per plan of a month: what its run would issue, and what became of that';
create index plan_period on billing.plan (period, plan_id);
create index plan_run on billing.plan (run_id);
create trigger plan_keeps_its_hash before update on billing.plan for each row
when ((old.plan_id, old.run_id, old.period, old.plan_hash)
is distinct from (new.plan_id, new.run_id, new.period, new.plan_hash) or old.issued_at is not null)
execute function billing.refuse_change();
create trigger plan_stays before delete on billing.plan
for each row execute function billing.refuse_change();
create trigger plan_is_not_emptied before truncate on billing.plan
for each statement execute function billing.refuse_change();

-- A row per account and currency that has no statement of the period yet, or was billed in the month compared with.
-- `before`: as that month was first issued; `now`: as planned. No foreign keys, which would look up each of a hundred
-- thousand rows: billing.make_plan() alone writes them. It drops those of a superseded plan that nobody has decided on.
create table billing.plan_account (
    plan_id bigint not null,
    account_id text not null,
    -- XXX and 4 where the account is on hold because its currency is unknown.
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    minor_unit smallint not null check (minor_unit between 0 and 4),
    account_name text,
    connectors_before bigint not null check (connectors_before >= 0),
    connectors_now bigint not null check (connectors_now >= 0),
    total_before_minor bigint not null,
    total_now_minor bigint not null check (total_now_minor >= 0),
    is_on_hold boolean not null,
    expected_connectors bigint,
    expected_minor bigint,
    -- It has no connector statement of an earlier month.
    is_first boolean not null,
    -- Its staged decisions without prices, their hashes in one: the next month's plan compares these before it compares
    -- connectors. Null: it has none.
    fingerprint bigint,
    primary key (plan_id, account_id, currency),
    constraint what_is_on_hold_is_not_billed check (not is_on_hold or total_now_minor = 0)
);
comment on table billing.plan_account is 'What a plan has for each account, beside the month it is compared with';

create trigger plan_account_is_immutable before update on billing.plan_account
for each row execute function billing.refuse_change();

-- The change of an account by cause, an id of docs/rules.md; the rows of an account add up to its change.
create table billing.plan_change (
    plan_id bigint not null,
    account_id text not null,
    currency text not null,
    cause text not null,
    connectors bigint not null,
    minor bigint not null,
    primary key (plan_id, account_id, currency, cause),
    constraint a_cause_changes_something check (connectors <> 0 or minor <> 0)
);
comment on table billing.plan_change is 'How much of an account''s change each cause explains, in connectors and money';
create trigger plan_change_is_immutable before update on billing.plan_change
for each row execute function billing.refuse_change();

-- What a plan's accounts come to, by currency (cause '') and by cause: a page reads these instead of every account.
create table billing.plan_sum (
    plan_id bigint not null references billing.plan,
    currency text not null,
    cause text not null,
    minor_unit smallint not null,
    accounts integer not null,
    connectors_before bigint not null,
    connectors_change bigint not null,
    total_before_minor bigint not null,
    change_minor bigint not null,
    primary key (plan_id, currency, cause)
);
comment on table billing.plan_sum is 'The sums of a plan by currency, and by cause';
create index plan_account_on_hold on billing.plan_account (plan_id, expected_minor desc) where is_on_hold;
