-- A month's statements by kind, currency and status, from the stored sums, for the Month page.
select kind, currency, status::text, sum(statements)::bigint,
       round(sum(total_minor) / power(10::numeric, minor_unit), minor_unit),
       round(sum(balance_minor) / power(10::numeric, minor_unit), minor_unit)
  from billing.statement_sum where period = %(period)s
 group by kind, currency, minor_unit, status having sum(statements) <> 0;
