-- The first rows of one branch of page.sql in its order, statements of one status or one kind, as an index has them.
select %(rank)s as rank, {keys}s.statement_id from {source} s where {conditions} order by {order} limit %(limit)s
