-- As statements_branch.sql, where so few meet the conditions that all of them are fetched and sorted: in the order of
-- an index they might be looked for among a million. The offset keeps the planner from trying.
select %(rank)s as rank, {keys}s.statement_id from (
    select * from {source} s where {conditions} offset '0') s
order by {order} limit %(limit)s
