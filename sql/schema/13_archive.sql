-- Old periods: their decisions go to Parquet files and out of the warehouse, and what went is on record. For the
-- owner, who runs `evbilling archive`; no DAG may do it. Statements, ledger, corrections and account statements stay.
-- requires: functions/archive/refuse_change_of_dropped.sql

-- One row per period whose decisions were copied to files. As long as `dropped_at` is null they are in the table, too.
create table billing.archived_period (
    period billing.period primary key,
    store text not null,
    -- [{"key", "sha256", "rows"}, ...]: `key` is relative to the store.
    files jsonb not null,
    decisions bigint not null check (decisions >= 0),
    billed bigint not null check (billed between 0 and decisions),
    -- Over all currencies and over every column of every row: two copies are equal if these are.
    unit_price_minor numeric not null,
    digest numeric not null,
    actor text not null check (actor <> ''),
    archived_at timestamptz not null default now(),
    dropped_at timestamptz
);
comment on table billing.archived_period is 'Periods whose decisions lie as Parquet files, and since when nowhere else';
create trigger dropped_period_is_immutable before update or delete on billing.archived_period
for each row execute function billing.refuse_change_of_dropped();
create trigger archived_period_is_not_emptied before truncate on billing.archived_period
for each statement execute function billing.refuse_change_of_dropped();
