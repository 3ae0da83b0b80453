-- Whether a month is billed, or its canary alone is issued, and its plan that might be issued, if there is one; then by
-- currency the plan's money. A plan whose canary is issued can't be issued by another run.
select exists (select from billing.run
               where period = %(period)s and dag_id = 'connector_statements'
                 and state in ('issued', 'unchanged', 'differs')) as is_billed,
       billing.is_partly_issued(%(period)s) as is_partly_issued,
       p.plan_hash, p.made_at, p.statements, p.connectors, p.on_hold,
       (select json_agg(json_build_array(currency, minor_unit, total) order by currency)
        from (select currency, minor_unit, sum(total_now_minor)::bigint as total from billing.plan_account a
              where a.plan_id = p.plan_id group by 1, 2) t where total > 0) as money
from (select 1) one
left join lateral (
    select * from billing.plan
    where period = %(period)s and issued_at is null and superseded_at is null and canary_issued_at is null
    order by plan_id desc limit 1) p on true
