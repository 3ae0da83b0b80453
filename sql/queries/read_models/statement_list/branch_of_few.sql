-- As branch.sql, where so few statements match that all are fetched and sorted. In the order of an index, Postgres
-- might search a million for them; `offset` keeps the planner from trying.
select %(rank)s as rank, {keys}s.statement_id from (
    select * from {source} s where {conditions} offset '0') s
order by {order} limit %(limit)s
