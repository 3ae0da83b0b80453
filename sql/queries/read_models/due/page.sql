-- The ids of one page of what is due, in order, with their sort keys, for the page Due.
select * from (
{branches}
) branch order by {order} limit %(limit)s
