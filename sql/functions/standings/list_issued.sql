-- Enters statements that are inserted into standings, sums and names. Those of a period that is attached have them
-- already.
create or replace function billing.list_issued() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    insert into billing.standing (
        statement_id, account_key, connectors, currency, minor_unit, total_minor, balance_minor)
    select statement_id, billing.account_key(account_name, account_id), ac_count + dc_count, currency, minor_unit,
           total_minor, total_minor
    from issued where kind = 'connector' order by statement_id;
    insert into billing.statement_sum (
        period, kind, currency, minor_unit, status, statements, connectors, total_minor, balance_minor)
    select period, kind, currency, minor_unit, 'Issued', count(*), 0, sum(total_minor), 0
    from issued where kind <> 'connector' group by 1, 2, 3, 4;
    insert into billing.account_name (account_id, account_name)
    select distinct i.account_id, left(coalesce(i.account_name, ''), 300) from issued i
    where not exists (
        select from billing.account_name n
        where n.account_id = i.account_id and n.account_name = left(coalesce(i.account_name, ''), 300))
    order by 1, 2
    on conflict do nothing;
    return null;
end
$$;
