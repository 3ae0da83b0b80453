-- A plan in a few figures, for the question to a person: what it would issue, and its money and change by currency.
select p.period::text as period, p.statements, p.connectors, p.on_hold, p.compared_with::text as compared_with,
       p.not_compared,
       (select coalesce(json_agg(json_build_array(currency, minor_unit, before, now, expected) order by currency), '[]')
        from (select currency, minor_unit, sum(total_before_minor) as before, sum(total_now_minor) as now,
                     sum(coalesce(expected_minor, 0)) filter (where is_on_hold) as expected
              from billing.plan_account where plan_id = p.plan_id and currency <> 'XXX' group by 1, 2) money) as money,
       (select coalesce(
                json_agg(json_build_array(cause, currency, connectors, minor) order by abs(minor) desc, cause), '[]')
        from (select cause, currency, sum(connectors) as connectors, sum(minor) as minor
              from billing.plan_change where plan_id = p.plan_id group by 1, 2) causes) as causes
from billing.plan p where p.plan_id = %(plan_id)s
