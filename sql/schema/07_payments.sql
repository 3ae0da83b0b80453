-- How statements are collected: attempts at the gateway, payments made by other ways and their undoing, the plan of
-- retries, the shared pace. The writer changes none of these tables directly but the plan: it opens, claims and
-- settles attempts through functions that lock the statements concerned first, so that of several who collect one
-- statement only one does.
-- requires: functions/audit/refuse_change.sql
-- requires: functions/payments/refuse_change_of_attempt.sql
-- requires: functions/standings/fail_standing.sql
-- requires: functions/mail/queue_failure_notice.sql

-- This warehouse's name at the gateway: two warehouses on one gateway never take each other's payments for theirs.
create table billing.installation (
    installation_id uuid primary key default gen_random_uuid(),
    is_only boolean not null default true unique check (is_only)
);
insert into billing.installation default values;
create trigger installation_is_immutable before update or delete on billing.installation
for each row execute function billing.refuse_change();

create table billing.payment_attempt (
    attempt_id bigint generated always as identity primary key,
    statement_id text not null references billing.statement,
    attempt_no integer not null check (attempt_no > 0),
    trigger text not null constraint attempt_trigger check (trigger in ('issue', 'month_end', 'planned', 'rebill')),
    -- What the attempt was made for: on one occasion a statement is tried once, however often a task is run again.
    occasion text not null,
    -- Which run makes the call; a run that was cut off finds its own calls by it.
    batch text not null,
    requested_by text not null check (requested_by <> ''),
    requested_at timestamptz not null default clock_timestamp(),
    currency text not null,
    minor_unit smallint not null,
    amount_minor bigint not null check (amount_minor > 0),
    customer text,
    payment_method text,
    idempotency_key text not null unique check (length(idempotency_key) <= 255),
    outcome text not null default 'pending' constraint attempt_outcome check (
        outcome in ('pending', 'succeeded', 'declined', 'unknown')
    ),
    sent_at timestamptz,
    claimed_at timestamptz,
    gateway_payment_id text,
    decline_code text,
    advice_code text,
    decline_class text check (decline_class in ('hard', 'soft', 'needs_customer', 'unknown')),
    message text,
    settled_at timestamptz,
    unique (statement_id, attempt_no),
    constraint one_attempt_per_occasion unique (statement_id, occasion),
    -- The ledger refers to it, so that a payment is posted for the statement that it was made for.
    constraint attempt_of_statement unique (attempt_id, statement_id),
    constraint decline_has_a_reason check (
        outcome <> 'declined' or (decline_code is not null and decline_class is not null)
    ),
    constraint success_is_named check (outcome <> 'succeeded' or gateway_payment_id is not null)
);
create unique index one_open_attempt_per_statement on billing.payment_attempt (statement_id)
where outcome in ('pending', 'unknown');
create unique index a_gateway_payment_settles_one_attempt on billing.payment_attempt (gateway_payment_id)
where outcome = 'succeeded';
create index attempt_batch on billing.payment_attempt (batch, attempt_id) where outcome = 'pending';
create index attempt_requested on billing.payment_attempt (requested_at);
-- The page Payments lists them in this order.
create index attempt_settled on billing.payment_attempt (settled_at, gateway_payment_id) where outcome = 'succeeded';

create trigger attempt_is_settled_once before update or delete on billing.payment_attempt
for each row execute function billing.refuse_change_of_attempt();
create trigger attempt_is_not_emptied before truncate on billing.payment_attempt
for each statement execute function billing.refuse_change();
create trigger attempt_fails_standing_at_once after insert on billing.payment_attempt
referencing new table as tried for each statement execute function billing.fail_standing();
create trigger attempt_fails_standing after update on billing.payment_attempt
referencing new table as tried for each statement execute function billing.fail_standing();
create trigger declined_attempt_is_mailed after insert on billing.payment_attempt
for each row when (new.outcome = 'declined' and new.decline_code <> 'not_charged')
execute function billing.queue_failure_notice();
create trigger attempt_declined_later_is_mailed after update of outcome on billing.payment_attempt
for each row when (new.outcome = 'declined' and old.outcome <> 'declined' and new.decline_code <> 'not_charged')
execute function billing.queue_failure_notice();

-- Payments made outside the gateway and marked as paid.
create table billing.paid_outside (
    paid_outside_id bigint generated always as identity primary key,
    -- Chosen by the caller: the same request again is the same payment.
    request_id text not null unique,
    statement_id text not null references billing.statement,
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null,
    minor_unit smallint not null,
    paid_on date not null,
    reference text not null check (reference <> ''),
    actor text not null check (actor <> ''),
    reason text not null check (reason <> ''),
    recorded_at timestamptz not null default clock_timestamp(),
    constraint paid_outside_of_statement unique (paid_outside_id, statement_id)
);
create index paid_outside_statement on billing.paid_outside (statement_id);
create index paid_outside_reference on billing.paid_outside (reference);
create index paid_outside_recorded on billing.paid_outside (recorded_at);
create trigger paid_outside_is_immutable before update or delete on billing.paid_outside
for each row execute function billing.refuse_change();
create trigger paid_outside_is_not_emptied before truncate on billing.paid_outside
for each statement execute function billing.refuse_change();

-- Payments marked as paid by mistake and undone: whole and once. What was recorded stays. See docs/decisions/0019.
create table billing.paid_outside_reversal (
    reversal_id bigint generated always as identity primary key,
    -- Chosen by the caller: the same request again is the same undo.
    request_id text not null unique,
    paid_outside_id bigint not null constraint reversed_once unique,
    statement_id text not null,
    actor text not null check (actor <> ''),
    reason text not null check (reason <> ''),
    recorded_at timestamptz not null default clock_timestamp(),
    foreign key (paid_outside_id, statement_id) references billing.paid_outside (paid_outside_id, statement_id)
);
comment on table billing.paid_outside_reversal is 'One row per payment marked by mistake that was undone';
create index paid_outside_reversal_statement on billing.paid_outside_reversal (statement_id);
create trigger reversal_is_immutable before update or delete on billing.paid_outside_reversal
for each row execute function billing.refuse_change();
create trigger reversal_is_not_emptied before truncate on billing.paid_outside_reversal
for each statement execute function billing.refuse_change();

-- When a statement whose collection failed is tried next, and why then or not at all; reason PAID once nothing is
-- due. A statement gets its row in the transaction in which it fails (TO-BE-PLANNED), so none is forgotten if the
-- planning is cut off. Advice only: no money follows from it.
create table billing.payment_plan (
    statement_id text primary key references billing.statement,
    planned_at timestamptz,
    reason_id text not null,
    detail text not null,
    decided_at timestamptz not null default now()
);
create index payment_plan_open on billing.payment_plan (statement_id) where reason_id <> 'PAID';

-- The next free turn at each gateway, shared by all workers.
create table billing.gateway_pace (
    gateway text primary key,
    next_turn timestamptz not null
);
