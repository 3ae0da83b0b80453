-- Sums that differ from the statements: there should be none.
create or replace view billing.statement_sum_difference as
select period, kind, currency, minor_unit, status, k.statements as kept_statements, c.statements,
       k.balance_minor as kept_balance_minor, c.balance_minor
from (
    select period, kind, currency, minor_unit, status, sum(statements) as statements, sum(connectors) as connectors,
           sum(total_minor) as total_minor, sum(balance_minor) as balance_minor
    from billing.statement_sum group by 1, 2, 3, 4, 5
    having sum(statements) <> 0 or sum(connectors) <> 0 or sum(total_minor) <> 0 or sum(balance_minor) <> 0) k
full join (
    select s.period::text as period, s.kind, s.currency, s.minor_unit, coalesce(l.status, 'Issued') as status,
           count(*) as statements, coalesce(sum(l.connectors), 0) as connectors, sum(s.total_minor) as total_minor,
           coalesce(sum(l.balance_minor), 0) as balance_minor
    from billing.statement s left join billing.standing l on l.statement_id = s.statement_id
    group by 1, 2, 3, 4, 5) c using (period, kind, currency, minor_unit, status)
where (k.statements, k.connectors, k.total_minor, k.balance_minor)
      is distinct from (c.statements, c.connectors, c.total_minor, c.balance_minor);
