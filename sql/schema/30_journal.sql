-- The journal for the books: which postings of the ledger were exported when, each exactly once, and the files made of
-- them. See docs/decisions/0048.
-- requires: functions/audit/refuse_change.sql

create table billing.journal_chart (
    chart_id bigint generated always as identity primary key,
    -- The file as it was loaded, TOML.
    chart text not null check (chart <> ''),
    actor text not null check (actor <> ''),
    reason text not null check (reason <> ''),
    recorded_at timestamptz not null default clock_timestamp()
);
comment on table billing.journal_chart is
    'Which account of the books each account of the ledger is; the newest is in force';
create trigger journal_chart_is_append_only before update or delete on billing.journal_chart
for each row execute function billing.refuse_change();
create trigger journal_chart_is_not_emptied before truncate on billing.journal_chart
for each statement execute function billing.refuse_change();

create table billing.journal_export (
    export_id bigint generated always as identity primary key,
    period billing.period not null,
    -- What was posted before this: the end of the period in the time zone of the books, or the export if it was first.
    booked_before timestamptz not null,
    -- Null: the default chart.
    chart_id bigint references billing.journal_chart,
    -- The ids of the postings, in ranges: a month's issue is one range. What isn't in it wasn't exported, however early
    -- it was posted: a transaction may commit after an export that didn't see it.
    transfers int8multirange not null constraint export_has_postings check (not isempty(transfers)),
    postings bigint not null check (postings > 0),
    actor text not null check (actor <> ''),
    reason text not null check (reason <> ''),
    made_at timestamptz not null,
    constraint posting_is_exported_once exclude using gist (transfers with &&)
);
comment on table billing.journal_export is 'One row per export of the journal, with the postings that are in it';
create trigger journal_export_is_immutable before update or delete on billing.journal_export
for each row execute function billing.refuse_change();
create trigger journal_export_is_not_emptied before truncate on billing.journal_export
for each statement execute function billing.refuse_change();

create table billing.journal_file (
    export_id bigint not null references billing.journal_export,
    format text not null check (format <> ''),
    name text not null check (name <> ''),
    key text not null check (key <> ''),
    sha256 text not null constraint journal_file_hash check (sha256 ~ '^[0-9a-f]{64}$'),
    size bigint not null check (size >= 0),
    primary key (export_id, format)
);
comment on table billing.journal_file is 'The files of an export, in the evidence store: one in each format';
create trigger journal_file_is_immutable before update or delete on billing.journal_file
for each row execute function billing.refuse_change();
create trigger journal_file_is_not_emptied before truncate on billing.journal_file
for each statement execute function billing.refuse_change();
