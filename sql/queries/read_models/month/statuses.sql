-- What a month's statements come to by kind, currency and status, by the sums that are kept of them. For the Month
-- page. Parameter: period.
select kind, currency, status::text, sum(statements)::bigint,
       round(sum(total_minor) / power(10::numeric, minor_unit), minor_unit),
       round(sum(balance_minor) / power(10::numeric, minor_unit), minor_unit)
  from billing.statement_sum where period = %(period)s
 group by kind, currency, minor_unit, status having sum(statements) <> 0;
