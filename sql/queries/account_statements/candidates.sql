-- Accounts that may get an account statement for a period: with billing on, with items on no statement yet, or with a
-- balance. A row each, with its last and first account statement, and its newest statement of any kind to fall back on.
-- An account that already has a statement of this or a later period is left out, because months are issued in order.
-- For the assembly.
with last_stated as materialized (
    select * from billing.last_account_statement
), billed as (
    select account_id from billing.settings_in_force(%(period)s) where charge_connectors
), candidate as (
    select account_id from billed
    union select account_id from billing.unstated_item where period <= %(period)s
    union select account_id from last_stated where total_minor <> 0
)
select c.account_id, b.account_id is not null as is_on, l.statement_id as last_statement_id,
       coalesce(l.total_minor, 0) as opening_minor, l.currency as opening_currency, f.period as first_period,
       f.time_zone as first_zone, n.account_name as newest_account_name,
       n.financial_admin_id as newest_financial_admin_id, n.time_zone as newest_time_zone,
       n.currency as newest_currency,
       n.minor_unit as newest_minor_unit
from candidate c
left join billed b using (account_id)
left join last_stated l using (account_id)
left join lateral (
    select s.period::text as period, s.time_zone from billing.statement s
    where l.statement_id is not null and s.kind = 'account' and s.account_id = c.account_id
    order by s.period limit 1) f on true
left join lateral (
    select s.account_name, s.financial_admin_id, s.time_zone, s.currency, s.minor_unit from billing.statement s
    where s.account_id = c.account_id order by s.period desc, s.issued_at desc, s.statement_id desc limit 1) n on true
where l.period is null or l.period < %(period)s
order by c.account_id collate "C";
