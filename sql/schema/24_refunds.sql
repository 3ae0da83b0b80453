-- Refunds of recorded payments through the gateway, as an operator asks for them. The row is committed before the
-- gateway is called, and the idempotency key is in it; what was given back is booked as a payment_return.
-- requires: functions/refunds/refuse_change_of_refund.sql
-- requires: functions/audit/refuse_change.sql

create table billing.refund_attempt (
    refund_id bigint generated always as identity primary key,
    -- Chosen by the caller: the same request again is the same refund.
    request_id text not null unique,
    attempt_id bigint not null,
    statement_id text not null,
    gateway_payment_id text not null,
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null,
    minor_unit smallint not null,
    -- More is given back than the statement's credit: the debt is due again.
    is_due_again boolean not null,
    idempotency_key text not null unique check (length(idempotency_key) <= 255),
    outcome text not null default 'pending' constraint refund_outcome check (
        outcome in ('pending', 'succeeded', 'refused', 'unknown')
    ),
    gateway_refund_id text,
    message text,
    approves bigint unique references billing.adjustment_request,
    actor text not null check (actor <> ''),
    reason text not null check (reason <> ''),
    requested_at timestamptz not null default clock_timestamp(),
    -- When it was last given out to be sent; null: never.
    claimed_at timestamptz,
    settled_at timestamptz,
    return_id bigint references billing.payment_return,
    constraint a_success_is_booked check ((outcome = 'succeeded') = (return_id is not null)),
    constraint a_settled_refund_says_when check ((outcome in ('succeeded', 'refused')) = (settled_at is not null)),
    foreign key (attempt_id, statement_id) references billing.payment_attempt (attempt_id, statement_id)
);
comment on table billing.refund_attempt is 'One row per refund of a payment that was asked for at the gateway';
create unique index one_open_refund_per_statement on billing.refund_attempt (statement_id)
where outcome in ('pending', 'unknown');
create index refund_attempt_payment on billing.refund_attempt (gateway_payment_id);
create trigger refund_is_settled_once before update or delete on billing.refund_attempt
for each row execute function billing.refuse_change_of_refund();
create trigger refund_is_not_emptied before truncate on billing.refund_attempt
for each statement execute function billing.refuse_change();
