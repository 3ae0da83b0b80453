-- The double-entry ledger of what statements come to and how it is settled. One row moves one amount from one account
-- to another, so the books can't be out of balance; every balance is derived from the rows. Nobody inserts here but the
-- owner's functions: a statement posts itself when it is issued, a payment when its outcome is recorded.
create table billing.ledger_account (
    ledger_account text primary key,
    says text not null
);
insert into billing.ledger_account values
    ('receivable', 'What financial admins owe, statement by statement'),
    ('revenue', 'Connector fees billed, net of tax'),
    ('tax', 'Tax billed, owed to the authorities'),
    ('cash', 'Collected by the payment gateway'),
    ('paid_outside', 'Paid by other ways and marked as paid');

create table billing.transfer (
    transfer_id bigint generated always as identity primary key,
    kind text not null,
    -- The connector statement whose balance moves. No foreign key: a statement's own rows come from its insertion, the
    -- others from functions that lock it first, and a hundred thousand look-ups would be for nothing.
    statement_id text not null,
    -- Accounts of ledger_account: the kinds below name them, which costs no look-up either.
    debit_account text not null,
    credit_account text not null,
    amount_minor bigint not null constraint transfer_amount_above_zero check (amount_minor > 0),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    correction_id text references billing.statement,
    posted_at timestamptz not null default now(),
    constraint debit_and_credit_differ check (debit_account <> credit_account),
    constraint kind_names_its_accounts check ((kind, debit_account, credit_account) in (
        ('issue', 'receivable', 'revenue'),
        ('tax', 'receivable', 'tax'),
        ('payment', 'cash', 'receivable'),
        ('paid_outside', 'paid_outside', 'receivable'),
        ('correction', 'receivable', 'revenue'),
        ('correction', 'revenue', 'receivable'),
        ('correction_tax', 'receivable', 'tax'),
        ('correction_tax', 'tax', 'receivable'))),
    constraint correction_is_named check ((correction_id is not null) = (kind in ('correction', 'correction_tax')))
);
create index transfer_statement on billing.transfer (statement_id, transfer_id);
create unique index posted_once_at_issue on billing.transfer (statement_id, kind) where kind in ('issue', 'tax');
create unique index correction_posted_once on billing.transfer (correction_id, kind) where correction_id is not null;
create index statement_correction on billing.statement (corrects_statement_id) where corrects_statement_id is not null;
comment on table billing.transfer is 'One row per movement of money between two ledger accounts, for one statement';

create trigger transfer_is_immutable before update or delete on billing.transfer
    for each row execute function billing.refuse_change();
create trigger transfer_is_not_emptied before truncate on billing.transfer
    for each statement execute function billing.refuse_change();
create trigger ledger_account_is_immutable before update or delete on billing.ledger_account
    for each row execute function billing.refuse_change();

-- What is still due on a connector statement, in minor units; below zero where a correction left a credit. Null if there
-- is no such statement.
create function billing.balance_minor(p_statement_id text) returns bigint
language sql stable
return (
    select sum(case when debit_account = 'receivable' then amount_minor else -amount_minor end)::bigint
    from billing.transfer where statement_id = p_statement_id
);

-- What each connector statement stands at: due, paid so far, and the way by which the last of it was paid.
create view billing.receivable as
select s.statement_id, s.account_id, s.currency, s.minor_unit, s.statement_date, m.balance_minor, m.paid_minor, m.last_way
from billing.statement s
cross join lateral (
    select coalesce(sum(case t.debit_account when 'receivable' then t.amount_minor else -t.amount_minor end), 0)::bigint
               as balance_minor,
           coalesce(sum(t.amount_minor) filter (where t.kind in ('payment', 'paid_outside')), 0)::bigint as paid_minor,
           (array_agg(t.kind order by t.transfer_id desc) filter (where t.kind in ('payment', 'paid_outside')))[1]
               as last_way
    from billing.transfer t where t.statement_id = s.statement_id) m
where s.kind = 'connector';

-- Whoever moves the balance of statements locks them first, all in one order, and looks at it afterwards. That holds only
-- where each command sees what was committed before it began: a transaction with a snapshot of its own would go by a
-- balance of the past.
create function billing.lock_statements(p_statements text[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'money can''t be moved at isolation level %', current_setting('transaction_isolation')
            using errcode = 'EV004', hint = 'use read committed';
    end if;
    perform from billing.statement s where s.statement_id = any(p_statements) order by s.statement_id for no key update;
end
$$;

-- Postings of statements as they are issued. A correction moves the balance of the connector statement that it corrects;
-- an account statement sums up what is posted elsewhere and owes nothing by itself.
create function billing.post_issued() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_wrong text;
begin
    if exists (select from issued where kind = 'correction') then
        perform billing.lock_statements(array(select corrects_statement_id from issued where kind = 'correction'));
        select string_agg(i.statement_id, ', ' order by i.statement_id) into v_wrong
        from issued i
        where i.kind = 'correction' and not exists (
            select from billing.statement s
            where s.statement_id = i.corrects_statement_id and s.kind = 'connector'
              and (s.account_id, s.currency, s.minor_unit) = (i.account_id, i.currency, i.minor_unit));
        if v_wrong is not null then
            raise exception 'corrections that aren''t of a connector statement of the same account and currency: %', v_wrong
                using errcode = 'EV004';
        end if;
    end if;
    insert into billing.transfer (kind, statement_id, debit_account, credit_account, amount_minor, currency, correction_id)
    select case kind when 'connector' then 'issue' else 'correction' end,
           coalesce(corrects_statement_id, statement_id),
           case when net_minor > 0 then 'receivable' else 'revenue' end,
           case when net_minor > 0 then 'revenue' else 'receivable' end,
           abs(net_minor), currency, case kind when 'correction' then statement_id end
    from issued where kind in ('connector', 'correction') and net_minor <> 0
    union all
    select case kind when 'connector' then 'tax' else 'correction_tax' end,
           coalesce(corrects_statement_id, statement_id),
           case when tax_minor > 0 then 'receivable' else 'tax' end,
           case when tax_minor > 0 then 'tax' else 'receivable' end,
           abs(tax_minor), currency, case kind when 'correction' then statement_id end
    from issued where kind in ('connector', 'correction') and tax_minor <> 0;
    return null;
end
$$;
create trigger statement_posts_itself after insert on billing.statement
    referencing new table as issued for each statement execute function billing.post_issued();

-- Statements of before there was a ledger.
insert into billing.transfer (kind, statement_id, debit_account, credit_account, amount_minor, currency, posted_at)
select 'issue', statement_id, 'receivable', 'revenue', net_minor, currency, issued_at
from billing.statement where kind = 'connector' and net_minor > 0
union all
select 'tax', statement_id, 'receivable', 'tax', tax_minor, currency, issued_at
from billing.statement where kind = 'connector' and tax_minor > 0;

-- No payment takes a statement below zero, whoever posts it. Those who collect the same statement at once take turns:
-- each locks it first.
create function billing.refuse_overpayment() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_balance bigint;
    v_currency text;
begin
    perform billing.lock_statements(array[new.statement_id]);
    select currency into v_currency from billing.statement
    where statement_id = new.statement_id and kind = 'connector';
    if v_currency is distinct from new.currency then
        raise exception 'a payment in % for statement %, which is in %', new.currency, new.statement_id, v_currency
            using errcode = 'EV004';
    end if;
    v_balance := billing.balance_minor(new.statement_id);
    if v_balance < 0 then
        raise exception 'a payment of % minor units for statement % is % more than what is due', new.amount_minor,
            new.statement_id, -v_balance using errcode = 'EV004', hint = 'a statement is paid once and never over its total';
    end if;
    return null;
end
$$;
create trigger payment_is_within_the_balance after insert on billing.transfer
    for each row when (new.kind in ('payment', 'paid_outside')) execute function billing.refuse_overpayment();

revoke execute on all functions in schema billing from public;
grant execute on function billing.balance_minor(text) to evbilling_writer;
grant select on billing.transfer, billing.ledger_account, billing.receivable to evbilling_writer;
