-- Adds the changes of standings to billing.statement_sum, as rows of their own.
create or replace function billing.sum_standing() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if tg_op = 'INSERT' then
        insert into billing.statement_sum (
            period, kind, currency, minor_unit, status, statements, connectors, total_minor, balance_minor)
        select billing.period_of(statement_id), 'connector', currency, minor_unit, status, count(*), sum(connectors),
               sum(total_minor), sum(balance_minor)
        from added group by 1, 3, 4, 5;
    else
        insert into billing.statement_sum (
            period, kind, currency, minor_unit, status, statements, connectors, total_minor, balance_minor)
        select billing.period_of(statement_id), 'connector', currency, minor_unit, status, sum(sign),
               sum(sign * connectors), sum(sign * total_minor), sum(sign * balance_minor)
        from (select 1 as sign, * from added union all select -1, * from gone) changed
        group by 1, 3, 4, 5
        having sum(sign) <> 0 or sum(sign * balance_minor) <> 0;
    end if;
    return null;
end
$$;
