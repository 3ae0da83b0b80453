-- The schemas, and the types that tables of several areas share.
--
-- billing: the system of record. Rows of issued statements, the ledger and the audit never change.
-- staging: tables of runs that are under way; the writer fills them, the owner's functions publish them.
-- finance: views only, for finance and its tools.
create schema billing;
create schema staging;
create schema finance;

create domain billing.period as text
constraint period_form check (value ~ '^(19|[2-9][0-9])[0-9]{2}-(0[1-9]|1[0-2])$');

create type billing.statement_status as enum (
    'Issued', 'Billing failure', 'Partly paid', 'Paid', 'Billing failure (resolved)', 'Paid manually'
);
