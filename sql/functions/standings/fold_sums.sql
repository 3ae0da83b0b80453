-- Folds the rows of billing.statement_sum into one for each key. Rows that another transaction is folding are skipped.
create or replace function billing.fold_sums() returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    with gone as (
        delete from billing.statement_sum
        where sum_id in (select sum_id from billing.statement_sum order by sum_id for update skip locked)
        returning *
    )
    insert into billing.statement_sum (
        period, kind, currency, minor_unit, status, statements, connectors, total_minor, balance_minor, is_folded)
    select period, kind, currency, minor_unit, status, sum(statements), sum(connectors), sum(total_minor),
           sum(balance_minor), true
    from gone group by 1, 2, 3, 4, 5
    having sum(statements) <> 0 or sum(connectors) <> 0 or sum(total_minor) <> 0 or sum(balance_minor) <> 0
    order by 1, 2, 3, 5
$$;
