-- What the policy's limits are about: a plan's figures by currency, and how many accounts change by more than the
-- limits for one account, with the largest of them as an example. An account on hold, and the first month of one, have
-- limits of their own. A limit of null is none.
with account as (
    select a.*, abs(total_now_minor - total_before_minor) as moved_minor,
           not is_on_hold and not is_first
           and abs(total_now_minor - total_before_minor) > %(floor)s::numeric * 10::numeric ^ minor_unit
           and abs(total_now_minor - total_before_minor) * 100 > total_before_minor * %(percent)s::numeric as is_beyond
    from billing.plan_account a where a.plan_id = %(plan_id)s
)
select
    (select coalesce(sum(connectors_before), 0)::bigint from account),
    (select coalesce(sum(connectors_now), 0)::bigint from account),
    (select coalesce(json_agg(json_build_array(currency, minor_unit, before, now, expected) order by currency), '[]')
     from (select currency, minor_unit, sum(total_before_minor) as before, sum(total_now_minor) as now,
                  sum(coalesce(expected_minor, 0)) filter (where is_on_hold) as expected
           from account where currency <> 'XXX' group by 1, 2) money),
    (select count(distinct account_id) from account where is_on_hold),
    (select count(distinct account_id) from account where is_first and connectors_now > 0),
    (select count(distinct account_id) from account where is_beyond),
    (select json_build_array(account_id, account_name, currency, minor_unit, total_before_minor, total_now_minor)
     from account where is_beyond
     order by case when total_before_minor = 0 then 1e18 else moved_minor::numeric / total_before_minor end desc,
              moved_minor desc, account_id collate "C" limit 1)
