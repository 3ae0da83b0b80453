-- Posts statements to the ledger as they are issued. A correction moves the balance of the connector statement that
-- it corrects; an account statement sums up what is posted elsewhere and posts nothing itself. The transfers of a
-- statement are inserted one after the other, in the order of the index that they go into. Corrections never credit
-- more than was billed.
create or replace function billing.post_issued() returns trigger
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
    select t.kind, coalesce(i.corrects_statement_id, i.statement_id),
           case when t.minor > 0 then 'receivable' else t.account end,
           case when t.minor > 0 then t.account else 'receivable' end,
           abs(t.minor), i.currency, case i.kind when 'correction' then i.statement_id end
    from issued i
    cross join lateral (values
        (case i.kind when 'connector' then 'issue' else 'correction' end, 'revenue', i.net_minor),
        (case i.kind when 'connector' then 'tax' else 'correction_tax' end, 'tax', i.tax_minor)) t (kind, account, minor)
    where i.kind in ('connector', 'correction') and t.minor <> 0;
    if exists (select from issued where kind = 'correction' and total_minor < 0) then
        select string_agg(s.statement_id, ', ' order by s.statement_id) into v_wrong
        from billing.statement s
        where s.statement_id in (select corrects_statement_id from issued where kind = 'correction') and s.total_minor + (
            select sum(c.total_minor) from billing.statement c where c.corrects_statement_id = s.statement_id) < 0;
        if v_wrong is not null then
            raise exception 'corrections would credit more than was billed: %', v_wrong
                using errcode = 'EV004', hint = 'see the statements'' corrections in finance.statements';
        end if;
    end if;
    return null;
end
$$;
