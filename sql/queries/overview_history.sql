-- Connector statements of each month of a span and the connectors billed on them. For the Month page. Parameters: first,
-- last.
select period, count(*), sum(connector_count)::bigint
  from finance.statements where kind = 'connector' and period between %(first)s and %(last)s group by period;
