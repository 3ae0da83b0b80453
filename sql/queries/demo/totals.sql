-- A month's connector statements by currency.
select currency, count(*) as statements, sum(connector_count) as connectors, sum(net_amount) as net,
       sum(tax_amount) as tax,
       sum(total_amount) as total, sum(paid_amount) as paid, sum(balance_due) as balance
from finance.statements
where period = %(period)s and kind = 'connector'
group by currency
order by currency;
