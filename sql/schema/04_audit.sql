-- Every action that changes what is billed: who, what, why. Append-only.
-- requires: functions/audit/refuse_change.sql

create table billing.audit_event (
    event_id bigint generated always as identity primary key,
    occurred_at timestamptz not null default now(),
    actor text not null check (actor <> ''),
    action text not null,
    subject_id text not null,
    reason text not null,
    run_id bigint references billing.run
);
-- The pages of a statement and of an account show what was done to it; without this they would read every event.
create index audit_event_subject on billing.audit_event (subject_id, event_id);
create trigger audit_is_append_only before update or delete on billing.audit_event
for each row execute function billing.refuse_change();
create trigger audit_is_not_emptied before truncate on billing.audit_event
for each statement execute function billing.refuse_change();
