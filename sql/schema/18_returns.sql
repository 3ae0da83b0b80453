-- What the gateway gave back of payments that it had collected: refunded there, or lost in a dispute, and acknowledged
-- by an operator with a reason. The debt is due again, or it is given up. docs/decisions/0033 says why that is no
-- correction.
-- requires: functions/audit/refuse_change.sql
-- requires: functions/ledger/refuse_other_return.sql

create table billing.payment_return (
    return_id bigint generated always as identity primary key,
    -- Chosen by the caller: the same request again is the same acknowledgement.
    request_id text not null unique,
    attempt_id bigint not null,
    statement_id text not null,
    gateway_payment_id text not null,
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null,
    minor_unit smallint not null,
    cause text not null check (cause in ('refund', 'dispute')),
    -- Else it is credited: nothing is collected for it any more.
    is_due_again boolean not null,
    actor text not null check (actor <> ''),
    reason text not null check (reason <> ''),
    recorded_at timestamptz not null default clock_timestamp(),
    foreign key (attempt_id, statement_id) references billing.payment_attempt (attempt_id, statement_id)
);
comment on table billing.payment_return is
    'One row per refund or lost dispute of a payment that was acknowledged, or part of one';
create index payment_return_statement on billing.payment_return (statement_id);
create index payment_return_attempt on billing.payment_return (attempt_id);
create trigger return_is_immutable before update or delete on billing.payment_return
for each row execute function billing.refuse_change();
create trigger return_is_not_emptied before truncate on billing.payment_return
for each statement execute function billing.refuse_change();

-- A return is posted once, and given up once.
create unique index return_posted_once on billing.transfer (statement_id, return_id, kind)
where return_id is not null;
create trigger return_is_on_record after insert on billing.transfer
for each row when (new.kind in ('refund', 'goodwill')) execute function billing.refuse_other_return();
