-- Where a run's statements differ from those already issued for its period with their corrections, a row per account.
-- lines_* compare decision by decision, so that equal sums of different connectors are found too.
with issued as (
    select account_id, statement_id, net_minor, tax_minor, total_minor
    from billing.effective_statement where period = %(period)s
), counted as (
    select account_id, count(*) as connectors from billing.effective_decision
    where period = %(period)s and rule_id is null group by 1
), now as (
    select account_id, ac_count + dc_count as connectors, net_minor, tax_minor, total_minor from {draft}
), lines as (
    select coalesce(p.account_id, s.account_id) as account_id,
           count(*) filter (where p.account_id is null) as lines_added,
           count(*) filter (where s.account_id is null) as lines_gone,
           count(*) filter (where p.account_id is not null and s.account_id is not null) as lines_changed
    from (select * from billing.effective_decision where period = %(period)s) p
    full join {stage} s using (period, account_id, charger_id, connector_id)
    where (p.rule_id, p.unit_price_minor, p.power_type) is distinct from (s.rule_id, s.unit_price_minor, s.power_type)
       or p.account_id is null or s.account_id is null
    group by 1
)
select i.statement_id, i.account_id, coalesce(c.connectors, 0) as issued_connectors,
       coalesce(n.connectors, 0) as connectors,
       i.total_minor as issued_total_minor, coalesce(n.total_minor, 0) as total_minor,
       coalesce(l.lines_added, 0) as lines_added, coalesce(l.lines_gone, 0) as lines_gone,
       coalesce(l.lines_changed, 0) as lines_changed
from issued i
left join counted c using (account_id)
left join now n using (account_id)
left join lines l using (account_id)
where (i.net_minor, i.tax_minor) is distinct from (coalesce(n.net_minor, 0), coalesce(n.tax_minor, 0))
   or l.account_id is not null
order by i.statement_id;
