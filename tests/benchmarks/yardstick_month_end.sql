-- The yardstick of `make bench --only month-end`: account statements as the best hand-written SQL that we know, in the
-- tables and under the constraints of the product, for whoever judges the product's month end. One session as the
-- warehouse's owner, the platform's tables in the same database: nothing crosses a wire, nothing is staged. Items go
-- where they stay at once, and statements sum them up. It knows of the faults that the made-up platform has, takes every
-- charge for a sound one, keeps no evidence, validates nothing and can't be run twice. Statements are separated by lines
-- of dashes; each is timed.
insert into billing.run (dag_id, airflow_run_id, period, actor, code_version, source, shard_count, state)
values ('account_statements', 'yardstick', '2026-11', 'yardstick', 'yardstick', 'platform', 1, 'issued');
------ accounts
create temp table addressed as
select s.account_id, a.name as account_name, s.financial_admin_id, a.time_zone, a.currency,
       u.minor_unit::smallint as minor_unit, (10 ^ u.minor_unit)::numeric as factor, l.statement_id as last_statement_id,
       coalesce(l.total_minor, 0) as opening_minor,
       '2026-11-01'::timestamp at time zone coalesce(z.name, 'UTC') as since,
       '2026-12-01'::timestamp at time zone coalesce(z.name, 'UTC') as until,
       (a.account_id is null or z.name is null or u.minor_unit is null or w.user_id is null
        or w.account_id <> s.account_id or not coalesce(w.active, false)) as is_held
from billing.settings_in_force('2026-11') s
left join platform.account a using (account_id)
left join (values ('EUR', 2), ('USD', 2), ('NZD', 2), ('JPY', 0), ('KWD', 3)) u (currency, minor_unit)
  on u.currency = a.currency
left join pg_timezone_names z on z.name = a.time_zone
left join platform.app_user w on w.user_id = s.financial_admin_id
left join billing.last_account_statement l on l.account_id = s.account_id
where s.charge_connectors;
------ numbers
create temp table stated as
select t.*, n.number, 'S-202611-' || lpad(n.number::text, greatest(6, length(n.number::text)), '0') as statement_id
from addressed t
join (select account_id, row_number() over (order by account_id collate "C")::integer as number
      from addressed t
      where not is_held and (
          opening_minor <> 0
          or exists (select from billing.statement s where s.account_id = t.account_id and s.period <= '2026-11')
          or exists (select from platform.account_charge c where c.account_id = t.account_id
                       and c.occurred_at >= t.since and c.occurred_at < t.until))) n using (account_id)
order by n.number;
------ statistics
analyze stated;
------ plans
-- By its sizes of before, the table that is being filled would be looked through again for every row.
set local enable_nestloop = off;
------ items
insert into billing.account_statement_item (
    item_kind, item_id, statement_id, account_id, occurred_at, description, currency, minor_unit, net_minor, tax_minor,
    total_minor, settled_minor)
select 'charge', c.charge_id, t.statement_id, t.account_id, c.occurred_at, c.description, c.currency, t.minor_unit,
       (c.net_amount * t.factor)::bigint, (c.tax_amount * t.factor)::bigint,
       ((c.net_amount + c.tax_amount) * t.factor)::bigint, (c.settled_amount * t.factor)::bigint
from platform.account_charge c
join stated t on t.account_id = c.account_id and c.occurred_at >= t.since and c.occurred_at < t.until
where not exists (select from billing.account_statement_item i where i.item_kind = 'charge' and i.item_id = c.charge_id)
union all
select u.item_kind, u.item_id, t.statement_id, t.account_id, u.occurred_at, u.description, u.currency, u.minor_unit,
       u.net_minor, u.tax_minor, u.total_minor, 0
from billing.unstated_item u join stated t on t.account_id = u.account_id
where u.period <= '2026-11'
union all
select 'opening_balance', coalesce(last_statement_id, 'first-of-' || account_id), statement_id, account_id,
       '2026-11-01'::timestamp at time zone time_zone, coalesce('Balance of ' || last_statement_id, 'Opening balance'),
       currency, minor_unit, opening_minor, 0, opening_minor, 0
from stated;
------ plans as before
set local enable_nestloop = on;
------ account statements
insert into billing.statement (
    statement_id, kind, period, account_id, number, run_id, account_name, financial_admin_id, time_zone, statement_date,
    currency, minor_unit, tax_rate, net_minor, tax_minor, total_minor, code_version)
select statement_id, 'account', '2026-11', account_id, number, (select max(run_id) from billing.run), account_name,
       financial_admin_id, time_zone, '2026-11-30', currency, minor_unit, 0, closing, 0, closing, 'yardstick'
from stated
join (select statement_id, sum(total_minor - settled_minor)::bigint as closing from billing.account_statement_item
      group by statement_id) summed using (statement_id)
order by statement_id;
------ mail
insert into billing.mail (kind, statement_id, account_id, financial_admin_id, period, occasion, requested_by)
select 'account_statement', statement_id, account_id, financial_admin_id, '2026-11', 'issue', 'yardstick'
from billing.statement where kind = 'account' and period = '2026-11' order by statement_id;
------ counter
insert into billing.statement_counter
select 'account', '2026-11', count(*) from billing.statement where kind = 'account' and period = '2026-11';
------ withheld accounts
insert into billing.withheld_account (period, account_id, reason_id, detail, run_id)
select '2026-11', account_id, 'HELD', 'yardstick', (select max(run_id) from billing.run)
from addressed t
where is_held and (
    opening_minor <> 0
    or exists (select from billing.statement s where s.account_id = t.account_id and s.period <= '2026-11')
    or exists (select from platform.account_charge c where c.account_id = t.account_id));
