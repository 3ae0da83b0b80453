-- What filtered statements come to, by kind and currency, counted one by one: those of some accounts, or whose id
-- begins with what was typed. For the page Driver Statements. Parts: standings, conditions.
select s.kind, s.currency, s.minor_unit, count(*), coalesce(sum(l.connectors), 0)::bigint,
       sum(s.total_minor)::numeric, coalesce(sum(l.balance_minor), 0)::numeric
from billing.statement s
left join billing.standing l on l.statement_id = s.statement_id and {standings}
where {conditions}
group by s.kind, s.currency, s.minor_unit
order by s.currency, s.kind
