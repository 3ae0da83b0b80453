-- Every filtered statement in the order of the list, read through a cursor, for the CSV of the page Driver Statements.
select s.statement_id, s.kind, s.account_id, s.account_name, s.financial_admin_id, s.period::text as period,
       s.statement_date, s.issued_at, l.connectors, s.currency, billing.major(s.total_minor, s.minor_unit) as total,
       billing.major(l.paid_minor, s.minor_unit) as paid, billing.major(l.balance_minor, s.minor_unit) as balance,
       coalesce(l.status::text, 'Issued') as status, s.corrects_statement_id,
       billing.major(s.net_minor, s.minor_unit) as net, billing.major(s.tax_minor, s.minor_unit) as tax,
       trim_scale(s.tax_rate) as tax_rate, p.paid_on, p.method, p.payment_ids, p.payment_references,
       (select a.decline_code from billing.payment_attempt a
        where a.statement_id = s.statement_id and a.outcome = 'declined'
        order by a.attempt_no desc limit 1) as last_decline
from billing.statement s
left join billing.standing l on l.statement_id = s.statement_id and {standings}
left join lateral (
    select max(k.paid_on) as paid_on, string_agg(distinct k.way, ' + ' order by k.way) as method,
           string_agg(k.payment_id, ' ' order by k.recorded_at, k.payment_id) as payment_ids,
           string_agg(k.reference, ' | ' order by k.recorded_at, k.payment_id) as payment_references
    from (
        select 'Payment gateway' as way, (a.settled_at at time zone 'UTC')::date as paid_on,
               a.gateway_payment_id as payment_id, null as reference, a.settled_at as recorded_at
        from billing.payment_attempt a
        where a.statement_id = s.statement_id and a.outcome = 'succeeded' and a.amount_minor > (
            select coalesce(sum(r.amount_minor), 0) from billing.payment_return r where r.attempt_id = a.attempt_id)
        union all
        select 'Other means', o.paid_on, 'paid-outside-' || o.paid_outside_id, o.reference, o.recorded_at
        from billing.paid_outside o
        where o.statement_id = s.statement_id and not exists (
            select from billing.paid_outside_reversal r where r.paid_outside_id = o.paid_outside_id)) k
) p on s.kind = 'connector'
where {conditions} order by {order}
