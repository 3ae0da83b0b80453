-- Every filtered statement in the order of the list, read through a cursor, for the CSV of the page Driver Statements.
select s.statement_id, s.kind, s.account_id, s.account_name, s.financial_admin_id, s.period::text as period,
       s.statement_date, s.issued_at, l.connectors, s.currency, billing.major(s.total_minor, s.minor_unit) as total,
       billing.major(l.paid_minor, s.minor_unit) as paid, billing.major(l.balance_minor, s.minor_unit) as balance,
       coalesce(l.status::text, 'Issued') as status, s.corrects_statement_id
from billing.statement s
left join billing.standing l on l.statement_id = s.statement_id and {standings}
where {conditions} order by {order}
