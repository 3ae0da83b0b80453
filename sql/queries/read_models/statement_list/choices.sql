-- The periods and currencies that have statements, the newest first, for the filter of the page Driver Statements.
select array_agg(distinct period order by period desc), array_agg(distinct currency order by currency)
from (select period, currency from billing.statement_sum group by period, currency having sum(statements) > 0) s
