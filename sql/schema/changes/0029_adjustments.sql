-- A debt goes from receivable to an account of its own if it is written off; money that was sent back by other ways
-- goes back to receivable.
insert into billing.ledger_account (ledger_account, says)
values ('written_off', 'Owed, and no longer collected')
on conflict do nothing;
alter table billing.transfer
    add column if not exists adjustment_id bigint,
    drop constraint if exists kind_names_its_accounts,
    add constraint kind_names_its_accounts check ((kind, debit_account, credit_account) in (
        ('issue', 'receivable', 'revenue'),
        ('tax', 'receivable', 'tax'),
        ('payment', 'cash', 'receivable'),
        ('refund', 'receivable', 'cash'),
        ('goodwill', 'goodwill', 'receivable'),
        ('paid_outside', 'paid_outside', 'receivable'),
        ('paid_outside_reversal', 'receivable', 'paid_outside'),
        ('refund_outside', 'receivable', 'paid_outside'),
        ('write_off', 'written_off', 'receivable'),
        ('undo_write_off', 'receivable', 'written_off'),
        ('correction', 'receivable', 'revenue'),
        ('correction', 'revenue', 'receivable'),
        ('correction_tax', 'receivable', 'tax'),
        ('correction_tax', 'tax', 'receivable')
    )),
    drop constraint if exists adjustment_is_named,
    add constraint adjustment_is_named check (
        (kind in ('write_off', 'undo_write_off', 'refund_outside')) = (adjustment_id is not null)
    );
alter table billing.account_statement_item
    drop constraint if exists payments_lower_the_balance,
    add constraint payments_lower_the_balance check (
        case
            when item_kind = 'paid_outside' and item_id like 'paid-outside-%-undone' then total_minor > 0
            when item_kind = 'paid_outside' and item_id like 'paid-outside-refund-%' then total_minor > 0
            when item_kind = 'payment' and item_id ~ '-refunded-[0-9]+$' then total_minor > 0
            when item_kind = 'payment' and item_id like 'written-off-%-undone' then total_minor > 0
            else item_kind not in ('payment', 'paid_outside') or total_minor < 0
        end
    );
