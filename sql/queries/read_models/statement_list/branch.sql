-- The first rows of one branch of the list of statements, in its order: those of one status, or of one kind, as an
-- index has them. For statements_page.sql. Parts: rank, keys, source, conditions, order, limit.
select %(rank)s as rank, {keys}s.statement_id from {source} s where {conditions} order by {order} limit %(limit)s
