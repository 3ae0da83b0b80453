-- How many statements of each kind and status match a period and currency, from the stored sums, for page.sql: a branch
-- without statements is left out.
select s.kind, s.status::text, sum(s.statements)::bigint
from billing.statement_sum s
where {conditions} group by 1, 2 having sum(s.statements) > 0
