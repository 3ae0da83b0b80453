-- The first of a month's accounts whose account statement is withheld, for the Month page: with all their reasons, the
-- name under which they were last billed, and how many accounts there are in all.
with account as (
    select account_id, array_agg(reason_id order by reason_id) as reasons,
           array_agg(detail order by reason_id) as details,
           count(*) over () as accounts
      from finance.withheld_account_statements where period = %(period)s
     group by account_id order by account_id limit %(limit)s
)
select a.account_id, n.account_name, a.reasons, a.details, a.accounts
  from account a
  left join lateral (select s.account_name from billing.statement s where s.account_id = a.account_id
                      order by s.period desc limit 1) n on true
 order by a.account_id;
