-- Missed months that are forgiven, and taken back: docs/rules.md says what a missed month is.
-- requires: functions/audit/refuse_change.sql

create table billing.forgiveness (
    forgiveness_id bigint generated always as identity primary key,
    period billing.period not null,
    account_id text not null check (account_id <> ''),
    -- False: it was taken back, and the month may be billed again.
    is_forgiven boolean not null,
    -- What it would have cost, tax included, in major units, and by what that was found; null: taken back, or unknown.
    connectors integer check (connectors >= 0),
    amount numeric(20, 4) check (amount >= 0),
    currency text,
    basis text,
    actor text not null check (actor <> ''),
    reason text not null check (reason <> ''),
    recorded_at timestamptz not null default clock_timestamp(),
    constraint amount_has_currency check ((amount is null) = (currency is null))
);
comment on table billing.forgiveness is
    'One row each time that an account''s month was forgiven or taken back; the newest of account and month counts';
create index forgiveness_newest on billing.forgiveness (period, account_id, forgiveness_id desc);
create trigger forgiveness_is_append_only before update or delete on billing.forgiveness
for each row execute function billing.refuse_change();
create trigger forgiveness_is_not_emptied before truncate on billing.forgiveness
for each statement execute function billing.refuse_change();
