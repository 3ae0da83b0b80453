-- What a page shows of its statements, and what decides which actions are offered, for the page Driver Statements. The
-- ids are literals, so that the planner looks at no other period.
select s.statement_id, s.kind, s.account_id, s.account_name, s.financial_admin_id, s.period::text as period,
       s.statement_date, s.issued_at, l.connectors, s.currency, billing.major(s.total_minor, s.minor_unit) as total,
       billing.major(l.paid_minor, s.minor_unit) as paid, billing.major(l.balance_minor, s.minor_unit) as balance,
       coalesce(l.status::text, 'Issued') as status, s.corrects_statement_id,
       coalesce(l.has_failed, false) as has_failed,
       exists (select from billing.payment_attempt a
               where a.statement_id = s.statement_id and a.outcome in ('pending', 'unknown')) as is_under_way,
       coalesce(o.minor, 0) > 0 as is_marked_as_paid,
       u.unaccounted_payment,
       s.statement_id in (select r.statement_id from billing.returned_payments(%(ids)s::text[]) r) as is_returned,
       coalesce(l.last_way = 'write_off', false) as is_written_off
from billing.statement s
left join billing.standing l on l.statement_id = s.statement_id and l.statement_id = any(%(ids)s::text[])
left join (
    select t.statement_id, sum(case t.kind when 'paid_outside' then t.amount_minor else -t.amount_minor end) as minor
    from billing.transfer t where t.statement_id = any(%(ids)s::text[]) and t.paid_outside_id is not null group by 1
) o on o.statement_id = s.statement_id
left join (
    select n.statement_id, min(n.gateway_payment_id) as unaccounted_payment
    from billing.unaccounted_payments(%(ids)s::text[]) n group by n.statement_id
) u on u.statement_id = s.statement_id
where s.statement_id = any(%(ids)s::text[])
