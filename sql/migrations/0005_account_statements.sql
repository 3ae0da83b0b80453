-- Account statements: what each sums up, item by item. Every item is on exactly one of them, by an explicit list and not
-- by timing: what arrives late is simply not listed yet, and goes on the next one.
create table billing.account_statement_item (
    item_kind text not null constraint item_kind_known check (item_kind in (
        'opening_balance', 'connector_statement', 'correction', 'charge', 'payment', 'paid_outside')),
    item_id text not null,
    -- No foreign key: nobody inserts here but the owner's function, which takes the id from the statement itself, and half
    -- a million look-ups would be a third of its time.
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
    constraint payments_lower_the_balance check (item_kind not in ('payment', 'paid_outside') or total_minor < 0),
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

-- What of our own record is on no account statement yet. `period` is that of the connector statement concerned.
create view billing.unstated_item as
select 'connector_statement' as item_kind, s.statement_id as item_id, s.period::text as period, s.account_id,
       s.issued_at as occurred_at, 'Connector statement ' || s.statement_id as description, s.currency, s.minor_unit,
       s.net_minor, s.tax_minor, s.total_minor
from billing.statement s
where s.kind = 'connector' and not exists (
    select from billing.account_statement_item i where i.item_kind = 'connector_statement' and i.item_id = s.statement_id)
union all
select 'correction', s.statement_id, s.period, s.account_id, s.issued_at,
       'Correction of ' || s.corrects_statement_id, s.currency, s.minor_unit, s.net_minor, s.tax_minor, s.total_minor
from billing.statement s
where s.kind = 'correction' and not exists (
    select from billing.account_statement_item i where i.item_kind = 'correction' and i.item_id = s.statement_id)
union all
select 'payment', a.gateway_payment_id, s.period, s.account_id, a.settled_at, 'Payment of ' || s.statement_id,
       a.currency, a.minor_unit, -a.amount_minor, 0, -a.amount_minor
from billing.payment_attempt a join billing.statement s using (statement_id)
where a.outcome = 'succeeded' and not exists (
    select from billing.account_statement_item i where i.item_kind = 'payment' and i.item_id = a.gateway_payment_id)
union all
select 'paid_outside', 'paid-outside-' || p.paid_outside_id, s.period, s.account_id, p.recorded_at,
       'Payment of ' || s.statement_id || ' on ' || p.paid_on || ', ' || p.reference,
       p.currency, p.minor_unit, -p.amount_minor, 0, -p.amount_minor
from billing.paid_outside p join billing.statement s using (statement_id)
where not exists (
    select from billing.account_statement_item i
    where i.item_kind = 'paid_outside' and i.item_id = 'paid-outside-' || p.paid_outside_id);

-- The newest account statement of each account. In the order in which the key's index is read backwards.
create view billing.last_account_statement as
select distinct on (account_id) account_id, statement_id, period::text as period, currency, minor_unit, total_minor,
       financial_admin_id, account_name, time_zone
from billing.statement where kind = 'account' order by account_id desc, period desc;

-- Issues the account statements that a run has staged (account_run_N: one row per account; account_run_N_item), in the
-- caller's one transaction: numbers, totals as the items give them, the items. Refuses whatever doesn't agree with the
-- record: an item that isn't what the record says, an opening balance that isn't the last closing, a connector statement
-- of the period or earlier left out. Returns how many statements, items and withheld accounts were written.
create function billing.publish_account_statements(
    p_run_id bigint, p_epoch bigint, p_actor text, p_reason text,
    out statements integer, out items bigint, out withheld integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_account text := 'account_run_' || p_run_id;
    v_item text := 'account_run_' || p_run_id || '_item';
    v_withheld text := 'account_run_' || p_run_id || '_withheld';
    v_period text;
    v_version text;
    v_last integer;
    v_fault text;
    v_resolved integer;
begin
    select period, code_version into strict v_period, v_version from billing.run where run_id = p_run_id;
    perform billing.hold_fence('account statements', p_epoch);

    -- What follows takes the first five of all that is wrong instead of a LIMIT, by which it would be looked for row by
    -- row: hours instead of seconds, as there is nothing wrong as a rule. The record as it stands now:
    drop table if exists pg_temp.due;
    execute format($q$
        create temporary table due on commit drop as
        select u.* from billing.unstated_item u join staging.%I a on a.account_id = u.account_id where u.period <= %L $q$,
        v_account, v_period);
    analyze pg_temp.due;

    execute format($q$
        select array_to_string((array_agg(format('%%s %%s', item_kind, item_id)))[1:5], ', ') from (
            select i.item_kind, i.item_id from staging.%1$I i
            left join staging.%2$I a on a.account_id = i.account_id
            left join pg_temp.due u on u.item_kind = i.item_kind and u.item_id = i.item_id
            where (i.currency, i.minor_unit) is distinct from (a.currency, a.minor_unit)
               or (i.item_kind in ('connector_statement', 'correction', 'payment')
                   or i.item_kind = 'paid_outside' and i.item_id not like 'settled/%%')
              and (i.account_id, i.occurred_at, i.currency, i.minor_unit, i.net_minor, i.tax_minor, i.total_minor, 0)
                  is distinct from (u.account_id, u.occurred_at, u.currency, u.minor_unit, u.net_minor, u.tax_minor,
                                    u.total_minor, i.settled_minor)) wrong $q$, v_item, v_account) into v_fault;
    if v_fault is not null then
        raise exception 'items that the record doesn''t have so: %', v_fault
            using errcode = 'EV003', hint = 'clear the task assemble to look again';
    end if;
    -- Charges are the platform's: of them the record only knows which it lists, and what of those it has settled.
    execute format($q$
        select array_to_string((array_agg(format('%%s %%s', item_kind, item_id)))[1:5], ', ') from (
            select i.item_kind, i.item_id from staging.%1$I i
            join billing.account_statement_item l on l.item_kind = i.item_kind and l.item_id = i.item_id
            union all
            select i.item_kind, i.item_id
            from (select *, substring(item_id from '^settled/(.*)/-?[0-9]+$') as charge_id from staging.%1$I
                  where item_kind = 'paid_outside' and item_id like 'settled/%%') i
            left join billing.account_statement_item c
              on c.item_kind = 'charge' and c.item_id = i.charge_id and c.account_id = i.account_id
            where c.item_id is null
               or substring(i.item_id from '-?[0-9]+$')::bigint <> c.settled_minor - i.total_minor - (
                   select coalesce(sum(b.total_minor), 0) from billing.account_statement_item b
                   where b.account_id = i.account_id and b.item_kind = 'paid_outside'
                     and substring(b.item_id from '^settled/(.*)/-?[0-9]+$') = i.charge_id)) wrong $q$, v_item) into v_fault;
    if v_fault is not null then
        raise exception 'charges that earlier statements list, or settle, otherwise: %', v_fault
            using errcode = 'EV003', hint = 'clear the task assemble to look again';
    end if;
    execute format($q$
        select array_to_string((array_agg(account_id))[1:5], ', ') from (
            select a.account_id from staging.%I a
            left join billing.last_account_statement l on l.account_id = a.account_id
            left join staging.%I i on i.account_id = a.account_id and i.item_kind = 'opening_balance'
            where i.total_minor is distinct from coalesce(l.total_minor, 0)
               or i.item_id is distinct from coalesce(l.statement_id, 'first-of-' || a.account_id)
               or l.total_minor <> 0 and l.currency <> a.currency
               or l.period >= %L) wrong $q$, v_account, v_item, v_period) into v_fault;
    if v_fault is not null then
        raise exception 'the opening balance isn''t the last closing balance: %', v_fault
            using errcode = 'EV003', hint = 'clear the task assemble to look again';
    end if;
    execute format($q$
        select array_to_string((array_agg(item_id))[1:5], ', ') from (
            select u.item_id from pg_temp.due u
            where u.item_kind in ('connector_statement', 'correction')
              and not exists (select from staging.%I i
                              where i.item_kind = u.item_kind and i.item_id = u.item_id)) wrong $q$, v_item) into v_fault;
    if v_fault is not null then
        raise exception 'statements left out: %', v_fault
            using errcode = 'EV003', hint = 'clear the task assemble to look again';
    end if;

    -- Where nothing is staged, not even a counter of 0 is written.
    execute format($q$
        insert into billing.statement_counter (kind, period, last_number)
        select 'account', %L, 0 where exists (select from staging.%I) on conflict do nothing $q$, v_period, v_account);
    select last_number into v_last from billing.statement_counter
    where kind = 'account' and period = v_period for update;
    execute format($q$
        insert into billing.statement (
             statement_id, kind, period, account_id, number, run_id, account_name, financial_admin_id, time_zone,
             statement_date, currency, minor_unit, tax_rate, net_minor, tax_minor, total_minor, code_version)
        select 'S-' || replace(%2$L, '-', '') || '-' || lpad(n::text, greatest(6, length(n::text)), '0'),
               'account', %2$L, account_id, n, %3$s, account_name, financial_admin_id, time_zone,
               ((%2$L || '-01')::date + interval '1 month - 1 day')::date, currency, minor_unit, 0, closing, 0, closing, %4$L
        from (select a.*, t.closing, $1 + row_number() over (order by a.account_id collate "C") as n
              from staging.%1$I a
              join (select account_id, sum(total_minor - settled_minor)::bigint as closing
                    from staging.%5$I group by account_id) t using (account_id)) numbered $q$,
        v_account, v_period, p_run_id, v_version, v_item) using v_last;
    get diagnostics statements = row_count;
    update billing.statement_counter set last_number = v_last + statements
    where kind = 'account' and period = v_period and statements > 0;
    execute format($q$
        insert into billing.account_statement_item (
            item_kind, item_id, statement_id, account_id, occurred_at, description, currency, minor_unit, net_minor,
            tax_minor, total_minor, settled_minor)
        select i.item_kind, i.item_id, s.statement_id, i.account_id, i.occurred_at, i.description, i.currency,
               i.minor_unit, i.net_minor, i.tax_minor, i.total_minor, i.settled_minor
        from staging.%I i join billing.statement s
          on s.kind = 'account' and s.period = %L and s.account_id = i.account_id and s.run_id = %s $q$,
        v_item, v_period, p_run_id);
    get diagnostics items = row_count;

    execute format($q$
        insert into billing.withheld_account as w (period, account_id, reason_id, detail, run_id)
        select %2$L, account_id, reason_id, detail, %3$s from staging.%1$I
        on conflict (period, account_id, reason_id) do update
        set detail = excluded.detail, run_id = excluded.run_id, resolved_by_run_id = null
        where (w.detail, w.resolved_by_run_id) is distinct from (excluded.detail, null) $q$,
        v_withheld, v_period, p_run_id);
    get diagnostics withheld = row_count;
    execute format($q$
        update billing.withheld_account w set resolved_by_run_id = %3$s
        where w.period <= %2$L and w.resolved_by_run_id is null
          and not exists (select from staging.%1$I s where s.account_id = w.account_id and s.reason_id = w.reason_id) $q$,
        v_withheld, v_period, p_run_id);
    get diagnostics v_resolved = row_count;
    withheld := withheld + v_resolved;

    if statements > 0 then
        -- The tie-out and the next month's assembly follow at once; by the sizes of before they would take hours.
        analyze billing.statement;
        analyze billing.account_statement_item;
    end if;
    if statements > 0 or withheld > 0 then
        insert into billing.audit_event (actor, action, subject_id, reason, run_id)
        values (p_actor, 'issue_account_statements', v_period, p_reason, p_run_id);
    end if;
end
$$;

revoke execute on all functions in schema billing from public;
grant execute on function billing.publish_account_statements(bigint, bigint, text, text) to evbilling_writer;
grant select on billing.account_statement_item, billing.withheld_account, billing.unstated_item,
    billing.last_account_statement to evbilling_writer;
