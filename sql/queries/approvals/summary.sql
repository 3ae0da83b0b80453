-- A plan in a few figures, for the question to a person: what it would issue, and its money and change by currency; of
-- the rest, without the accounts of its canary.
with account as (
    select * from billing.plan_account a
    where a.plan_id = %(plan_id)s and not (%(scope)s = 'rest' and exists (
        select from billing.plan_canary c where c.plan_id = a.plan_id and c.account_id = a.account_id))
)
select p.period::text as period, p.on_hold, p.compared_with::text as compared_with, p.not_compared,
       (select count(*) from account where total_now_minor > 0) as statements,
       (select coalesce(sum(connectors_now), 0)::bigint from account) as connectors,
       (select coalesce(json_agg(json_build_array(currency, minor_unit, before, now, expected) order by currency), '[]')
        from (select currency, minor_unit, sum(total_before_minor) as before, sum(total_now_minor) as now,
                     sum(coalesce(expected_minor, 0)) filter (where is_on_hold) as expected
              from account where currency <> 'XXX' group by 1, 2) money) as money,
       (select coalesce(
                json_agg(json_build_array(cause, currency, connectors, minor) order by abs(minor) desc, cause), '[]')
        from (select cause, currency, sum(connectors) as connectors, sum(minor) as minor
              from billing.plan_change c join account using (plan_id, account_id, currency)
              group by 1, 2) causes) as causes
from billing.plan p where p.plan_id = %(plan_id)s
