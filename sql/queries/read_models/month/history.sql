-- Connector statements of each month of a span and the connectors billed on them, by the sums that are kept of them:
-- a few rows instead of a million statements. For the Month page. Parameters: first, last.
select period, sum(statements)::bigint, sum(connectors)::bigint
  from billing.statement_sum where kind = 'connector' and period between %(first)s and %(last)s
 group by period having sum(statements) <> 0;
