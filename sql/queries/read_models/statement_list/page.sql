-- The ids of one page of the list of statements, in order, with what they are sorted by. For the page Driver
-- Statements. Parts: branches, order, limit.
select * from (
{branches}
) branch order by {order} limit %(limit)s
