-- Account statements: what each sums up, item by item. Every item is on exactly one of them, by an explicit list and
-- not by timing: what arrives late isn't listed yet, and goes on the next one.
-- requires: functions/audit/refuse_change.sql

create table billing.account_statement_item (
    item_kind text not null constraint item_kind_known check (item_kind in (
        'opening_balance', 'connector_statement', 'correction', 'charge', 'payment', 'paid_outside'
    )),
    item_id text not null,
    -- No foreign key: only the owner's function inserts here and takes the id from the statement itself. Half a million
    -- look-ups would be a third of its time.
    statement_id text not null,
    account_id text not null,
    occurred_at timestamptz not null,
    description text not null,
    currency text not null,
    minor_unit smallint not null,
    net_minor bigint not null,
    tax_minor bigint not null,
    -- By how much the item raises the balance: below zero for payments.
    total_minor bigint not null,
    -- What of a charge was settled elsewhere before it was listed; it is no part of the balance.
    settled_minor bigint not null default 0,
    primary key (item_kind, item_id),
    constraint item_total_is_net_and_tax check (total_minor = net_minor + tax_minor),
    -- The undo of a payment is an item of the payment's kind that raises the balance again.
    constraint payments_lower_the_balance check (
        case
            when item_kind = 'paid_outside' and item_id like 'paid-outside-%-undone' then total_minor > 0
            else item_kind not in ('payment', 'paid_outside') or total_minor < 0
        end
    ),
    constraint only_charges_are_settled check (settled_minor = 0 or item_kind = 'charge')
);
create index account_statement_item_statement on billing.account_statement_item (statement_id);
create index account_statement_item_account on billing.account_statement_item (account_id, item_kind);
create trigger item_is_immutable before update or delete on billing.account_statement_item
for each row execute function billing.refuse_change();
create trigger item_is_not_emptied before truncate on billing.account_statement_item
for each statement execute function billing.refuse_change();

-- Accounts with something to state that got no account statement, and why.
create table billing.withheld_account (
    period billing.period not null,
    account_id text not null,
    reason_id text not null,
    detail text not null,
    run_id bigint not null references billing.run,
    resolved_by_run_id bigint references billing.run,
    primary key (period, account_id, reason_id)
);
