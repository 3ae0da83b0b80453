-- What each statement stands at, kept beside the ledger so that a page can list, sort and sum a million of them at
-- once. For the page Driver Statements and the month's page; finance's views are derived from the ledger. Triggers
-- keep standings in the transaction that moves the money. See docs/decisions/0020 for the measurements.
-- requires: functions/audit/refuse_change.sql
-- requires: functions/standings/status_of.sql
-- requires: functions/standings/major.sql
-- requires: functions/standings/sum_standing.sql
-- requires: functions/standings/fold_when_many.sql

-- A row per connector statement, built in staging and attached with it. Account statements and corrections have none:
-- they owe nothing themselves and stay `Issued`.
create table billing.standing (
    statement_id text not null,
    account_key text collate "C" not null,
    connectors integer not null,
    currency text not null,
    minor_unit smallint not null,
    total_minor bigint not null,
    paid_minor bigint not null default 0,
    balance_minor bigint not null,
    last_way text,
    has_failed boolean not null default false,
    status billing.statement_status not null generated always as (
        billing.status_of(balance_minor, paid_minor, last_way, has_failed)
    ) stored,
    primary key (statement_id)
) partition by range (statement_id);
comment on table billing.standing is 'One row per connector statement: what it stands at now, derived from the ledger';
-- One for each order in which the statements of a status are listed, and one to find those of a rare currency.
create index standing_by_id on billing.standing (status, statement_id);
create index standing_by_account on billing.standing (status, account_key, statement_id);
create index standing_by_connectors on billing.standing (status, connectors, statement_id);
create index standing_by_total on billing.standing (status, billing.major(total_minor, minor_unit), statement_id);
create index standing_by_balance on billing.standing (status, billing.major(balance_minor, minor_unit), statement_id);
create index standing_by_currency on billing.standing (status, currency);

create trigger standing_is_summed after insert on billing.standing
referencing new table as added for each statement execute function billing.sum_standing();
create trigger standing_is_summed_anew after update on billing.standing
referencing old table as gone new table as added for each statement execute function billing.sum_standing();
create trigger standing_stays before delete on billing.standing
for each row execute function billing.refuse_change();
create trigger standing_is_not_emptied before truncate on billing.standing
for each statement execute function billing.refuse_change();

-- What the statements come to, by everything that the list is filtered by except account and id: the sum of all rows
-- with the same period, kind, currency and status. Each transaction adds its change as rows of its own, so that none
-- waits for another; from time to time they are folded into one.
create table billing.statement_sum (
    sum_id bigint generated always as identity primary key,
    period text not null,
    kind text not null,
    currency text not null,
    minor_unit smallint not null,
    status billing.statement_status not null,
    statements bigint not null,
    connectors bigint not null,
    total_minor numeric not null,
    balance_minor numeric not null,
    is_folded boolean not null default false
);
comment on table billing.statement_sum is
    'Rows to be added up: what statements of a period, kind, currency and status come to';
create trigger sums_are_folded after insert on billing.statement_sum
referencing new table as added for each statement execute function billing.fold_when_many();

-- The names under which an account was ever billed, to search by.
create table billing.account_name (
    account_id text not null,
    account_name text not null,
    haystack text not null generated always as (lower(account_id || e'\n' || account_name)) stored,
    primary key (account_id, account_name)
);
comment on table billing.account_name is 'One row per account and name on a statement; the name''s first 300 characters';
