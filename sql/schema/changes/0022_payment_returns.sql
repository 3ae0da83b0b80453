-- Money goes back from cash to receivable, and from there to an account of its own if it is given up.
insert into billing.ledger_account (ledger_account, says)
values ('goodwill', 'Given back by the gateway after it was paid, and not collected again')
on conflict do nothing;
alter table billing.transfer
    add column if not exists return_id bigint,
    drop constraint if exists kind_names_its_accounts,
    add constraint kind_names_its_accounts check ((kind, debit_account, credit_account) in (
        ('issue', 'receivable', 'revenue'),
        ('tax', 'receivable', 'tax'),
        ('payment', 'cash', 'receivable'),
        ('refund', 'receivable', 'cash'),
        ('goodwill', 'goodwill', 'receivable'),
        ('paid_outside', 'paid_outside', 'receivable'),
        ('paid_outside_reversal', 'receivable', 'paid_outside'),
        ('correction', 'receivable', 'revenue'),
        ('correction', 'revenue', 'receivable'),
        ('correction_tax', 'receivable', 'tax'),
        ('correction_tax', 'tax', 'receivable')
    )),
    drop constraint if exists return_is_named,
    add constraint return_is_named check ((kind in ('refund', 'goodwill')) = (return_id is not null));
alter table billing.account_statement_item
    drop constraint if exists payments_lower_the_balance,
    add constraint payments_lower_the_balance check (
        case
            when item_kind = 'paid_outside' and item_id like 'paid-outside-%-undone' then total_minor > 0
            when item_kind = 'payment' and item_id ~ '-refunded-[0-9]+$' then total_minor > 0
            else item_kind not in ('payment', 'paid_outside') or total_minor < 0
        end
    );
