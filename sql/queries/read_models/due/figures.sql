-- All that is due by reason, month and currency, for the page Due. Statements that are planned or have an open charge
-- are read; what is left of the stored sums was never tried. What is written off keeps an unpaid status, with nothing
-- due.
with special as materialized (
    select p.statement_id from billing.payment_plan p where p.reason_id <> 'PAID'
    union
    select a.statement_id from billing.payment_attempt a where a.outcome in ('pending', 'unknown')
), known as materialized (
    select d.reason_id, billing.period_of(d.statement_id) as period, d.currency, d.minor_unit, count(*) as statements,
           sum(d.balance_minor) as minor
    from special s join billing.due d on d.statement_id = s.statement_id group by 1, 2, 3, 4
), untried as (
    select r.period, r.currency, r.minor_unit, sum(r.statements) as statements, sum(r.minor) as minor
    from (
        select period, currency, minor_unit, statements, balance_minor as minor from billing.statement_sum
        where kind = 'connector' and status in ('Issued', 'Billing failure', 'Partly paid')
        union all
        select period, currency, minor_unit, -statements, -minor from known
        union all
        select billing.period_of(s.statement_id), s.currency, s.minor_unit, -1, -s.balance_minor
        from (select distinct statement_id from billing.adjustment where kind = 'write_off') w
        join billing.standing s on s.statement_id = w.statement_id
        where s.status in ('Issued', 'Billing failure', 'Partly paid') and s.balance_minor <= 0) r
    group by 1, 2, 3 having sum(r.statements) > 0
), found as (
    select * from known
    union all
    select case when exists (select from billing.charging_hold c where c.lifted_at is null) then 'ON-HOLD'
                else 'FIRST-TRY' end, u.* from untried u
)
select reason_id, period, currency, sum(statements)::bigint,
       round(sum(minor) / power(10::numeric, minor_unit), minor_unit)
from found group by reason_id, period, currency, minor_unit order by period, reason_id, currency
