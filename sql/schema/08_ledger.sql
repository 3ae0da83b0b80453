-- The double-entry ledger of what statements come to and how it is settled. One row moves one amount from one account
-- to another, so the books can't be out of balance; every balance is derived from the rows. Only the owner's
-- functions insert here: a statement posts itself when it is issued, a payment when its outcome is recorded.
-- requires: functions/audit/refuse_change.sql
-- requires: functions/ledger/refuse_overpayment.sql
-- requires: functions/ledger/refuse_other_reversal.sql
-- requires: functions/standings/move_standing.sql

create table billing.ledger_account (
    ledger_account text primary key,
    says text not null
);
insert into billing.ledger_account (ledger_account, says) values
('receivable', 'What financial admins owe, statement by statement'),
('revenue', 'Connector fees billed, net of tax'),
('tax', 'Tax billed, owed to the authorities'),
('cash', 'Collected by the payment gateway'),
('paid_outside', 'Paid by other ways and marked as paid');
create trigger ledger_account_is_immutable before update or delete on billing.ledger_account
for each row execute function billing.refuse_change();

create table billing.transfer (
    transfer_id bigint not null generated always as identity (sequence name billing.transfer_transfer_id_seq1),
    kind text not null,
    -- The connector statement whose balance moves. No foreign key: a statement's own rows come from its insertion, the
    -- others from functions that lock it first, and a hundred thousand look-ups would be for nothing.
    statement_id text not null,
    -- Accounts of ledger_account: the check of the kinds below names them, which costs no look-up either.
    debit_account text not null,
    credit_account text not null,
    amount_minor bigint not null constraint transfer_amount_above_zero check (amount_minor > 0),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    correction_id text,
    posted_at timestamptz not null default now(),
    attempt_id bigint,
    paid_outside_id bigint,
    -- One index finds a statement's transfers and lets in the posting and the tax of its issue once.
    entry bigint not null generated always as (
        case kind when 'issue' then -2 when 'tax' then -1 else transfer_id end
    ) stored,
    constraint posted_once_at_issue primary key (statement_id, entry),
    foreign key (attempt_id, statement_id) references billing.payment_attempt (attempt_id, statement_id),
    foreign key (paid_outside_id, statement_id) references billing.paid_outside (paid_outside_id, statement_id),
    constraint debit_and_credit_differ check (debit_account <> credit_account),
    constraint kind_names_its_accounts check ((kind, debit_account, credit_account) in (
        ('issue', 'receivable', 'revenue'),
        ('tax', 'receivable', 'tax'),
        ('payment', 'cash', 'receivable'),
        ('paid_outside', 'paid_outside', 'receivable'),
        ('paid_outside_reversal', 'receivable', 'paid_outside'),
        ('correction', 'receivable', 'revenue'),
        ('correction', 'revenue', 'receivable'),
        ('correction_tax', 'receivable', 'tax'),
        ('correction_tax', 'tax', 'receivable')
    )),
    constraint correction_is_named check ((correction_id is not null) = (kind in ('correction', 'correction_tax'))),
    constraint payment_is_named check (
        (kind = 'payment') = (attempt_id is not null)
        and (kind in ('paid_outside', 'paid_outside_reversal')) = (paid_outside_id is not null)
    )
) partition by range (statement_id);
comment on table billing.transfer is 'One row per movement of money between two ledger accounts, for one statement';
comment on column billing.transfer.entry is 'Number among the transfers of its statement; below 0 those of its issue';
-- A correction and a payment are posted once; a payment made outside is taken back once.
create unique index correction_posted_once on billing.transfer (statement_id, correction_id, kind)
where correction_id is not null;
create unique index attempt_posted_once on billing.transfer (statement_id, attempt_id) where attempt_id is not null;
create unique index paid_outside_posted_once on billing.transfer (statement_id, paid_outside_id, kind)
where paid_outside_id is not null;
-- An export of the journal finds what no other has by the numbers.
create index transfer_by_id on billing.transfer (transfer_id);

create trigger transfer_is_immutable before update or delete on billing.transfer
for each row execute function billing.refuse_change();
create trigger transfer_is_not_emptied before truncate on billing.transfer
for each statement execute function billing.refuse_change();
create trigger payment_is_within_the_balance after insert on billing.transfer
for each row when (new.kind in ('payment', 'paid_outside')) execute function billing.refuse_overpayment();
create trigger reversal_is_of_a_whole_payment after insert on billing.transfer
for each row when (new.kind = 'paid_outside_reversal') execute function billing.refuse_other_reversal();
create trigger transfer_moves_standing after insert on billing.transfer
referencing new table as moved for each statement execute function billing.move_standing();
