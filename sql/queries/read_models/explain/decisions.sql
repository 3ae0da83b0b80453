-- What was decided on one connector in each month, newest first, with statement, setting, run and names. Found by the
-- accounts that had the charger; in a month before names were kept, among all decisions of the month asked for.
with known as (
    select distinct account_id from billing.charger_name where charger_id = %(charger)s
), place as (
    select account_id from known
    union
    select account_id from billing.connector_decision
    where period = %(period)s and charger_id = %(charger)s and connector_id = %(connector)s
      and not exists (select from known)
)
select d.period, d.account_id, s.account_name, d.power_type, d.rule_id,
       billing.major(d.unit_price_minor, s.minor_unit) as price, s.currency, s.statement_id,
       n.name, n.site, n.scope_status,
       coalesce(n.standards ->> d.connector_id::text, case when d.connector_id > 0 then n.standard end) as standard,
       g.exclude_closed, g.exclude_private, g.actor as set_by, g.recorded_at as set_at,
       g.effective_from::text as effective_from,
       coalesce(s.run_id, (select max(r.run_id) from billing.run r
                           where r.period = d.period and r.dag_id = 'connector_statements'
                             and r.state in ('issued', 'unchanged'))) as run_id,
       (select array_agg(l.correction_id order by l.correction_id) from billing.correction_line l
        where l.period = d.period and l.account_id = d.account_id and l.charger_id = d.charger_id
          and l.connector_id = d.connector_id) as corrections
from billing.connector_decision d
join place using (account_id)
left join billing.statement s
  on s.kind = 'connector' and s.revision = 0 and s.period = d.period and s.account_id = d.account_id
left join lateral (
    select * from billing.charger_name
    where account_id = d.account_id and charger_id = d.charger_id and from_period <= d.period
    order by from_period desc limit 1) n on true
left join billing.account_setting g on g.setting_id = coalesce(s.setting_id, (
    select f.setting_id from billing.account_setting f
    where f.account_id = d.account_id and f.effective_from <= d.period
    order by f.effective_from desc, f.setting_id desc limit 1))
where d.charger_id = %(charger)s and d.connector_id = %(connector)s
order by d.period desc, d.account_id;
