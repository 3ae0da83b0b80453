-- The decisions of issued statements with their corrections: what is billed for each connector in the end.
-- requires: views/billing/last_correction_line.sql
create or replace view billing.effective_decision as
select d.period, d.account_id, d.charger_id, d.connector_id,
       case when c.correction_id is null then d.power_type else c.power_type end as power_type,
       case when c.correction_id is null then d.rule_id else c.rule_id end as rule_id,
       case when c.correction_id is null then d.unit_price_minor else c.after_minor end as unit_price_minor
from billing.connector_decision d
left join billing.last_correction_line c
  on c.period = d.period and c.account_id = d.account_id and c.charger_id = d.charger_id
     and c.connector_id = d.connector_id
where c.correction_id is null or c.is_there
union all
select c.period, c.account_id, c.charger_id, c.connector_id, c.power_type, c.rule_id, c.after_minor
from billing.last_correction_line c
where c.is_there and not exists (
    select from billing.connector_decision d
    where d.period = c.period and d.account_id = c.account_id and d.charger_id = c.charger_id
      and d.connector_id = c.connector_id);
