-- What people change by hand on a connector statement: a credit or a further amount by a linked C-..., a debt that is
-- written off, money that was sent back by other ways than the gateway. Each with a reason for the audit, which no
-- customer reads, and for a C-... with a sentence for the customer. Above a limit it takes two people.
-- docs/decisions/0042 says why there is no status of its own for what is written off.
-- requires: functions/audit/refuse_change.sql
-- requires: functions/ledger/refuse_other_adjustment.sql

-- The newest row of a currency is in force: what one person may do on one statement alone. Null, or no row: no limit.
create table billing.adjustment_limit (
    limit_id bigint generated always as identity primary key,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    limit_minor bigint check (limit_minor >= 0),
    minor_unit smallint not null check (minor_unit between 0 and 4),
    actor text not null check (actor <> ''),
    reason text not null check (reason <> ''),
    recorded_at timestamptz not null default clock_timestamp()
);
comment on table billing.adjustment_limit is 'One row per change of the amount that one person may adjust alone';

-- What one person asked for above the limit. Another person's adjustment names it and carries it out.
create table billing.adjustment_request (
    adjustment_request_id bigint generated always as identity primary key,
    -- Chosen by the caller: the same request again is the same row.
    request_id text not null unique,
    kind text not null,
    statement_id text not null references billing.statement,
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null,
    minor_unit smallint not null,
    -- What else must be the same when it is carried out.
    facts jsonb not null,
    actor text not null check (actor <> ''),
    reason text not null check (reason <> ''),
    recorded_at timestamptz not null default clock_timestamp()
);
comment on table billing.adjustment_request is 'One row per adjustment that waits for, or had, a second person';
create index adjustment_request_statement on billing.adjustment_request (statement_id);

create table billing.adjustment (
    adjustment_id bigint generated always as identity primary key,
    request_id text not null unique,
    kind text not null constraint adjustment_kind check (
        kind in ('goodwill', 'extra_debit', 'write_off', 'undo_write_off', 'refund_outside')
    ),
    statement_id text not null references billing.statement,
    -- The C-... that tells the customer, where the debt itself changes.
    correction_id text references billing.statement,
    -- The write-off that is undone.
    reverses_id bigint unique references billing.adjustment,
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null,
    minor_unit smallint not null,
    -- Of money that was sent back: when, and what identifies it.
    paid_on date,
    reference text check (reference <> ''),
    -- What the customer reads on the C-... and in its mail; null: nothing.
    customer_text text constraint customer_text_is_short check (length(customer_text) between 1 and 300),
    -- The request of another person that it carries out.
    approves bigint unique references billing.adjustment_request,
    actor text not null check (actor <> ''),
    reason text not null check (reason <> ''),
    recorded_at timestamptz not null default clock_timestamp(),
    constraint a_correction_tells_of_it check ((correction_id is not null) = (kind in ('goodwill', 'extra_debit'))),
    constraint an_undo_names_its_write_off check ((reverses_id is not null) = (kind = 'undo_write_off')),
    constraint a_refund_names_its_payment check (
        (paid_on is not null) = (kind = 'refund_outside') and (reference is not null) = (kind = 'refund_outside')
    ),
    constraint only_a_correction_has_a_text check (customer_text is null or correction_id is not null)
);
comment on table billing.adjustment is 'One row per credit, extra debit, write-off, its undoing, or refund by other ways';
create index adjustment_statement on billing.adjustment (statement_id);
create unique index adjustment_correction on billing.adjustment (correction_id) where correction_id is not null;

create trigger adjustment_is_immutable before update or delete on billing.adjustment
for each row execute function billing.refuse_change();
create trigger adjustment_is_not_emptied before truncate on billing.adjustment
for each statement execute function billing.refuse_change();
create trigger adjustment_request_is_immutable before update or delete on billing.adjustment_request
for each row execute function billing.refuse_change();
create trigger adjustment_request_is_not_emptied before truncate on billing.adjustment_request
for each statement execute function billing.refuse_change();
create trigger adjustment_limit_is_immutable before update or delete on billing.adjustment_limit
for each row execute function billing.refuse_change();
create trigger adjustment_limit_is_not_emptied before truncate on billing.adjustment_limit
for each statement execute function billing.refuse_change();

-- An adjustment that isn't posted by its correction is posted once, as it is on record.
create unique index adjustment_posted_once on billing.transfer (statement_id, adjustment_id)
where adjustment_id is not null;
create trigger adjustment_is_on_record after insert on billing.transfer
for each row when (new.kind in ('write_off', 'undo_write_off', 'refund_outside'))
execute function billing.refuse_other_adjustment();
