-- The first rows of the list of statements of some accounts, whatever their kind and status. All are fetched and
-- sorted, as in statements_branch_few.sql. For statements_page.sql. Parts: rank, keys, standings, conditions, order,
-- limit.
select rank, {keys}statement_id from (
    select {rank} as rank, {values}s.statement_id
    from billing.statement s
    left join billing.standing l on l.statement_id = s.statement_id and {standings}
    where {conditions} offset '0') s
order by {order} limit %(limit)s
