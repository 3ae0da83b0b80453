-- The accounts that a typed text means: the one whose id it is, or all whose id or a name contains it, whatever the
-- case. One more than `most`, so that too many are noticed. For the page Driver Statements.
with exact as (
    select account_id from billing.account_name where account_id = %(text)s limit 1
)
select account_id from exact
union all
(select distinct n.account_id from billing.account_name n
 where not exists (select from exact) and strpos(n.haystack, lower(%(text)s)) > 0
 limit %(most)s + 1)
