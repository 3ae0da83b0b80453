-- How many statements there are of each kind and status, of those filtered by period and currency, from the sums that
-- are kept: what there is none of needn't be looked for. For statements_page.sql. Part: conditions.
select s.kind, s.status::text, sum(s.statements)::bigint
from billing.statement_sum s
where {conditions} group by 1, 2 having sum(s.statements) > 0
