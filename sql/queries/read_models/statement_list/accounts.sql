-- The accounts that a typed text can mean, for the page Driver Statements: the account with that id, or all whose id or
-- name contains the text in any case. One more than `most`, so that too many are noticed.
with exact as (
    select account_id from billing.account_name where account_id = %(text)s limit 1
)
select account_id from exact
union all
(select distinct n.account_id from billing.account_name n
 where not exists (select from exact) and strpos(n.haystack, lower(%(text)s)) > 0
 limit %(most)s + 1)
