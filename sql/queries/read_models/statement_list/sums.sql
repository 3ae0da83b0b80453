-- Filtered statements by kind and currency, from the stored sums, for the page Driver Statements.
select s.kind, s.currency, s.minor_unit, sum(s.statements)::bigint, sum(s.connectors)::bigint,
       sum(s.total_minor)::numeric, sum(s.balance_minor)::numeric
from billing.statement_sum s
where {conditions}
group by s.kind, s.currency, s.minor_unit having sum(s.statements) > 0
order by s.currency, s.kind
