-- The ids of one page of statements, in order, with their sort keys, for the page Driver Statements.
select * from (
{branches}
) branch order by {order} limit %(limit)s
