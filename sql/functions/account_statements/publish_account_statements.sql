-- Issues the account statements that a run has staged (account_run_N: one row per account; account_run_N_item;
-- account_run_N_withheld), in the caller's one transaction: numbers, totals as the items give them, the items.
-- Refuses what doesn't agree with the record: an item that differs from it, an opening balance that isn't the last
-- closing balance, a connector statement of the period or an earlier one left out. Returns how many statements, items
-- and withheld accounts were written.
create or replace function billing.publish_account_statements(
    p_run_id bigint, p_epoch bigint, p_actor text, p_reason text,
    out statements integer, out items bigint, out withheld integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp set work_mem = '128MB'
as $$
declare
    v_account text := 'account_run_' || p_run_id;
    v_item text := 'account_run_' || p_run_id || '_item';
    v_withheld text := 'account_run_' || p_run_id || '_withheld';
    v_numbered text := 'account_run_' || p_run_id || '_numbered';
    v_period text;
    v_version text;
    v_last integer;
    v_fault text;
    v_left_out text;
    v_resolved integer;
begin
    select period, code_version into strict v_period, v_version from billing.run where run_id = p_run_id;
    perform billing.hold_fence('account statements', p_epoch);

    -- What another run has stated for this or a later period since the assembly remains as it is.
    execute format($q$
        with gone as (
            delete from staging.%1$I a using billing.last_account_statement l
            where l.account_id = a.account_id and l.period >= %4$L returning a.account_id
        )
        delete from staging.%2$I i using gone where gone.account_id = i.account_id;
        delete from staging.%3$I w using billing.last_account_statement l
        where l.account_id = w.account_id and l.period >= %4$L $q$, v_account, v_item, v_withheld, v_period);

    -- Each check takes the first five faults of all instead of a LIMIT: as a rule there are none, and with a LIMIT
    -- the planner would look for the first ones row by row, which takes hours instead of seconds. First, the staged
    -- items of our own record against the record, in both directions.
    execute format($q$
        select array_to_string((array_agg(format('%%s %%s', i.item_kind, i.item_id)) filter (where i.item_id is not null))[1:5],
                               ', '),
               array_to_string((array_agg(u.item_id) filter (where i.item_id is null))[1:5], ', ')
        from (select * from staging.%1$I
              where item_kind in ('connector_statement', 'correction', 'payment')
                 or item_kind = 'paid_outside' and item_id not like 'settled/%%') i
        full join (select u.* from billing.unstated_item u join staging.%2$I a on a.account_id = u.account_id
                   where u.period <= %3$L) u on u.item_kind = i.item_kind and u.item_id = i.item_id
        where (i.item_id is null and u.item_kind in ('connector_statement', 'correction'))
           or (i.item_id is not null and (
                   i.account_id, i.occurred_at, i.currency, i.minor_unit, i.net_minor, i.tax_minor, i.total_minor, 0)
               is distinct from (u.account_id, u.occurred_at, u.currency, u.minor_unit, u.net_minor, u.tax_minor,
                                 u.total_minor, i.settled_minor)) $q$,
        v_item, v_account, v_period) into v_fault, v_left_out;
    if v_fault is null then
        execute format($q$
            select array_to_string((array_agg(format('%%s %%s', item_kind, item_id)))[1:5], ', ')
            from staging.%1$I i left join staging.%2$I a on a.account_id = i.account_id
            where (i.currency, i.minor_unit) is distinct from (a.currency, a.minor_unit) $q$,
            v_item, v_account) into v_fault;
    end if;
    if v_fault is not null then
        raise exception 'staged items differ from the record: %', v_fault
            using errcode = 'EV003', hint = 'clear the task assemble to look again';
    end if;
    -- Charges are the platform's: the record only knows which of them it lists, and what of those is settled.
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
        raise exception 'charges that earlier statements list or settle differently: %', v_fault
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
    if v_left_out is not null then
        raise exception 'statements left out: %', v_left_out
            using errcode = 'EV003', hint = 'clear the task assemble to look again';
    end if;

    -- Where nothing is staged, not even a counter of 0 is written.
    execute format($q$
        insert into billing.statement_counter (kind, period, last_number)
        select 'account', %L, 0 where exists (select from staging.%I) on conflict do nothing $q$, v_period, v_account);
    select last_number into v_last from billing.statement_counter
    where kind = 'account' and period = v_period for update;
    -- The number of each account, once for the statements and their items. In the order of account and number, as in
    -- the keys of both.
    execute format($q$
        create unlogged table staging.%5$I as
        select account_id, n, closing,
               'S-' || replace(%3$L, '-', '') || '-' || lpad(n::text, greatest(6, length(n::text)), '0') as statement_id
        from (select account_id, closing, %4$s + row_number() over (order by account_id collate "C") as n
              from (select account_id, sum(total_minor - settled_minor)::bigint as closing
                    from staging.%2$I group by account_id) t
              join staging.%1$I using (account_id)) given;
        analyze staging.%5$I $q$, v_account, v_item, v_period, coalesce(v_last, 0), v_numbered);
    execute format($q$
        insert into billing.statement (
             statement_id, kind, period, account_id, number, run_id, account_name, financial_admin_id, time_zone,
             statement_date, currency, minor_unit, tax_rate, net_minor, tax_minor, total_minor, code_version)
        select g.statement_id, 'account', %2$L, a.account_id, g.n, %3$s, a.account_name, a.financial_admin_id, a.time_zone,
               ((%2$L || '-01')::date + interval '1 month - 1 day')::date, a.currency, a.minor_unit, 0, g.closing, 0,
               g.closing, %4$L
        from staging.%5$I g join staging.%1$I a using (account_id)
        order by g.n $q$, v_account, v_period, p_run_id, v_version, v_numbered);
    get diagnostics statements = row_count;
    update billing.statement_counter set last_number = v_last + statements
    where kind = 'account' and period = v_period and statements > 0;
    execute format($q$
        insert into billing.account_statement_item (
            item_kind, item_id, statement_id, account_id, occurred_at, description, currency, minor_unit, net_minor,
            tax_minor, total_minor, settled_minor)
        select i.item_kind, i.item_id, g.statement_id, i.account_id, i.occurred_at, i.description, i.currency,
               i.minor_unit, i.net_minor, i.tax_minor, i.total_minor, i.settled_minor
        from staging.%I i join staging.%I g using (account_id) $q$, v_item, v_numbered);
    get diagnostics items = row_count;
    execute format('drop table staging.%I', v_numbered);

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
        -- The tie-out and the next month's assembly follow at once; with outdated statistics they would take hours.
        analyze billing.statement (statement_id, kind, period, account_id, currency),
                billing.account_statement_item (item_kind, item_id, statement_id, account_id);
    end if;
    if statements > 0 or withheld > 0 then
        insert into billing.audit_event (actor, action, subject_id, reason, run_id)
        values (p_actor, 'issue_account_statements', v_period, p_reason, p_run_id);
    end if;
end
$$;
