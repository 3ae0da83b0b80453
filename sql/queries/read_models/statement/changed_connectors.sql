-- The connectors of an account that are billed in one of two months, or as another power type, with their cause: its
-- place among the causes. That of before is as corrected since. Reads the account's decisions of both months.
with now as (
    select charger_id, connector_id, power_type, rule_id, coalesce(rule_id, 'FEE-ZERO') = 'FEE-ZERO' as is_billable
    from billing.connector_decision where period = %(period)s and account_id = %(account)s
), before as (
    select charger_id, connector_id, power_type, rule_id, coalesce(rule_id, 'FEE-ZERO') = 'FEE-ZERO' as is_billable
    from billing.effective_decision where period = %(before)s and account_id = %(account)s
), changed as (
    select charger_id, connector_id, b.power_type as power_before, n.power_type as power_now,
           b.rule_id as rule_before, n.rule_id as rule_now, b.is_billable is not null as was_there,
           n.is_billable is not null as is_there, b.is_billable is true as was_billable,
           n.is_billable is true as is_billable
    from before b full join now n using (charger_id, connector_id)
    where (b.is_billable is true, case when b.is_billable then b.power_type end)
          is distinct from (n.is_billable is true, case when n.is_billable then n.power_type end)
    order by charger_id, connector_id
    limit %(most)s
)
select c.charger_id, c.connector_id, coalesce(c.power_now, c.power_before) as power_type, c.is_billable as is_billed,
       c.was_billable as was_billed, m.account_id as other_account, m.account_name as other_name, n.name, n.site,
       billing.place_of_cause(
           c.was_there, c.is_there, m.account_id is not null, c.was_billable, c.is_billable, c.rule_before, c.rule_now,
           b.exclude_closed, b.exclude_private, s.exclude_closed, s.exclude_private) as place
from changed c
join billing.statement s on s.statement_id = %(statement)s
left join billing.statement b on b.statement_id = %(statement_before)s
-- Where another account is billed for it. One that excludes it isn't found so, and is called removed or new.
left join lateral (
    select d.account_id, o.account_name from billing.connector_decision d
    left join billing.statement o on o.kind = 'connector' and o.period = d.period and o.account_id = d.account_id
    where d.rule_id is null and d.charger_id = c.charger_id and d.connector_id = c.connector_id
      and d.account_id <> %(account)s and d.period = case when c.is_there then %(before)s else %(period)s end
      and not (c.was_there and c.is_there)) m on true
left join lateral (
    select name, site from billing.charger_name
    where account_id = %(account)s and charger_id = c.charger_id and from_period <= %(period)s
    order by from_period desc limit 1) n on true
order by c.charger_id, c.connector_id;
