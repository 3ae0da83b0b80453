-- The figures of a period's account statements that must agree, each counted in two ways, for record_tie_out().
create or replace function billing.tie_out_account_statements(p_run_id bigint)
returns table (check_id text, left_label text, left_value numeric, right_label text, right_value numeric)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    v_run billing.run;
begin
    select * into strict v_run from billing.run r where r.run_id = p_run_id;
    return query
    with stated as (
        select * from billing.statement where kind = 'account' and period = v_run.period
    ), closing as (
        select currency, minor_unit, sum(total_minor) as minor from stated group by 1, 2
    ), summed as (
        select s.currency, s.minor_unit, sum(i.total_minor - i.settled_minor) as minor
        from stated s join billing.account_statement_item i using (statement_id) group by 1, 2
    ), connector as (
        select s.account_id, s.issued_at, l.statement_id as listed_on
        from billing.statement s
        left join billing.account_statement_item l on l.item_kind = 'connector_statement' and l.item_id = s.statement_id
        where s.kind = 'connector' and s.period = v_run.period
    ), newest as (
        select currency, minor_unit, sum(total_minor) as minor from billing.last_account_statement group by 1, 2
    ), ledger as (
        select currency, sum(case when debit_account = 'receivable' then amount_minor else -amount_minor end) as minor
        from billing.transfer where 'receivable' in (debit_account, credit_account) group by 1
    ), unstated as (
        select currency, sum(total_minor) as minor from billing.unstated_item group by 1
    ), charge as (
        select currency, sum(total_minor - settled_minor) as minor from billing.account_statement_item
        where item_kind = 'charge' or item_kind = 'paid_outside' and item_id like 'settled/%' group by 1
    )
    select 'account-statements-numbers' as check_id,
           'Highest account statement number' as left_label,
           (select coalesce(max(number), 0) from stated)::numeric as left_value,
           'Account statements' as right_label, (select count(*) from stated)::numeric as right_value
    union all
    select 'account-statements-listed',
           'Connector statements', (select count(*) from connector),
           'Listed on an account statement, of withheld accounts, or issued after their account was stated',
           (select count(*) from connector s
            where listed_on is not null
               or exists (select from billing.withheld_account w
                          where w.account_id = s.account_id and w.period = v_run.period and w.resolved_by_run_id is null)
               or exists (select from billing.statement a
                          where a.kind = 'account' and a.account_id = s.account_id and a.period >= v_run.period
                            and a.issued_at <= s.issued_at))
    union all
    select 'account-statements-closing-' || currency,
           'Closing balances, ' || currency, round(c.minor / power(10::numeric, minor_unit), minor_unit),
           'Items with their opening balances, ' || currency,
           round(coalesce(i.minor, 0) / power(10::numeric, minor_unit), minor_unit)
    from closing c left join summed i using (currency, minor_unit)
    union all
    select 'account-statements-ledger-' || n.currency,
           'Newest closing balances of all accounts, ' || n.currency,
           round(n.minor / power(10::numeric, n.minor_unit), n.minor_unit),
           'Receivables by the ledger without what is on no account statement yet, and open charges, ' || n.currency,
           round((coalesce(g.minor, 0) - coalesce(u.minor, 0) + coalesce(c.minor, 0)) / power(10::numeric, n.minor_unit),
                 n.minor_unit)
    from newest n
    left join ledger g using (currency)
    left join unstated u using (currency)
    left join charge c using (currency)
    where n.currency in (select currency from stated)
    order by 1;
end
$$;
