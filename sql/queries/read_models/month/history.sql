-- Connector statements and the connectors on them in each month of a span, from the stored sums, for the Month page: a
-- few rows instead of a million statements.
select period, sum(statements)::bigint, sum(connectors)::bigint
  from billing.statement_sum where kind = 'connector' and period between %(first)s and %(last)s
 group by period having sum(statements) <> 0;
