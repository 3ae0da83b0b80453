-- What the connector statements of a month come to, by currency. Parameter: period.
select currency, count(*), sum(connector_count), sum(net_amount), sum(tax_amount), sum(total_amount)
  from finance.statements where period = %(period)s and kind = 'connector' group by currency order by currency;
