-- Filtered statements by kind and currency, from the stored sums, for the page Driver Statements.
select s.kind, s.currency, sum(s.statements)::bigint as statements, sum(s.connectors)::bigint as connectors,
       round(sum(s.total_minor) / power(10::numeric, s.minor_unit), s.minor_unit) as total,
       round(sum(s.balance_minor) / power(10::numeric, s.minor_unit), s.minor_unit) as balance
from billing.statement_sum s
where {conditions}
group by s.kind, s.currency, s.minor_unit having sum(s.statements) > 0
order by s.currency, s.kind
