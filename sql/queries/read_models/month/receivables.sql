-- What is owed on connector statements by month and currency, and what of it is credit, for the Month page. Reads the
-- stored sums of all statements and, by an index, each credit. A statement of a month is dated its 1st. `statements`
-- counts those on which something is due.
with owed as (
    select period, currency, minor_unit,
           coalesce(sum(statements) filter (where status in ('Issued', 'Billing failure', 'Partly paid')), 0)::bigint
               as statements,
           sum(balance_minor) as balance_minor
      from billing.statement_sum where kind = 'connector' group by 1, 2, 3
), credit as (
    select billing.period_of(s.statement_id) as period, c.currency, count(*) as statements,
           sum(s.balance_minor) as credit_minor
      from (select distinct currency from billing.statement_sum where kind = 'connector') c
      -- Worded as in the index: few of the paid statements have a credit.
      join billing.standing s on s.currency = c.currency and billing.major(s.balance_minor, s.minor_unit) < 0
                             and s.status in ('Paid', 'Billing failure (resolved)', 'Paid manually')
     group by 1, 2
)
select o.period, o.currency, o.statements,
       round((o.balance_minor - coalesce(c.credit_minor, 0)) / power(10::numeric, o.minor_unit), o.minor_unit) as due,
       coalesce(c.statements, 0)::bigint as credits,
       round(coalesce(c.credit_minor, 0) / power(10::numeric, o.minor_unit), o.minor_unit) as credit
  from owed o left join credit c on c.period = o.period and c.currency = o.currency
 where o.balance_minor <> 0 or c.statements > 0;
