-- What becomes of missed months without a person: docs/rules.md says what a missed month is.
-- requires: functions/audit/refuse_change.sql

create table billing.missed_month_policy (
    policy_id bigint generated always as identity primary key,
    -- Null: of all accounts that have none of their own.
    account_id text check (account_id <> ''),
    policy text not null constraint missed_month_policy_is_known check (policy in ('bill', 'forgive', 'ask')),
    actor text not null check (actor <> ''),
    reason text not null check (reason <> ''),
    recorded_at timestamptz not null default clock_timestamp()
);
comment on table billing.missed_month_policy is
    'Whether missed months are billed, forgiven or left to a person; the newest row of the account counts, else of all';
create trigger missed_month_policy_is_append_only before update or delete on billing.missed_month_policy
for each row execute function billing.refuse_change();
create trigger missed_month_policy_is_not_emptied before truncate on billing.missed_month_policy
for each statement execute function billing.refuse_change();
