-- Filtered statements by kind and currency, counted one by one, for the page Driver Statements: where the filter has
-- accounts, or the beginning of an id, by which no sums are stored.
select s.kind, s.currency, count(*) as statements, coalesce(sum(l.connectors), 0)::bigint as connectors,
       round(sum(s.total_minor) / power(10::numeric, s.minor_unit), s.minor_unit) as total,
       round(coalesce(sum(l.balance_minor), 0) / power(10::numeric, s.minor_unit), s.minor_unit) as balance
from billing.statement s
left join billing.standing l on l.statement_id = s.statement_id and {standings}
where {conditions}
group by s.kind, s.currency, s.minor_unit
order by s.currency, s.kind
