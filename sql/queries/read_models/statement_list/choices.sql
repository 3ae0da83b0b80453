-- The periods and currencies in which there are statements, newest first. For the page's filter.
select array_agg(distinct period order by period desc), array_agg(distinct currency order by currency)
from (select period, currency from billing.statement_sum group by period, currency having sum(statements) > 0) s
