-- The first statements of one source on which something is due, for page.sql: by statement in the order of the source's
-- index, else all that match are read and sorted. `offset` keeps each look-up in its partition.
select {rank} as rank, {keys}t.statement_id
from (select t.statement_id from {source}) t
cross join lateral (select * from billing.due n where n.statement_id = t.statement_id offset '0') d
where {conditions} order by {order} limit %(limit)s
