-- The first rows of page.sql for some accounts, of every kind and status. All are fetched and sorted, as in
-- branch_of_few.sql.
select rank, {keys}statement_id from (
    select {rank} as rank, {values}s.statement_id
    from billing.statement s
    left join billing.standing l on l.statement_id = s.statement_id and {standings}
    where {conditions} offset '0') s
order by {order} limit %(limit)s
