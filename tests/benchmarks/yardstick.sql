-- The yardstick of `make bench`: a month of connector statements as the best hand-written SQL that we know, in the tables
-- and under the constraints of the product. One session as the warehouse's owner, the platform's tables in the same
-- database: nothing crosses a wire. Lines, statements and transfers are built without keys, keyed, then attached. It finds
-- the faults that the made-up platform has, and keeps no evidence, validates nothing and can't be run twice. Statements
-- are separated by lines of dashes; each is timed.
insert into billing.run (dag_id, airflow_run_id, period, actor, code_version, source, shard_count, state)
values ('connector_statements', 'yardstick', '2026-11', 'yardstick', 'yardstick', 'platform', 1, 'issued');
------ terms
create temp table term as
select s.*, a.name as account_name, a.time_zone, a.currency, u.minor_unit::smallint as minor_unit,
       (s.fee_per_connector * 10 ^ u.minor_unit)::bigint as fee_minor,
       (coalesce(s.fee_per_dc_connector, s.fee_per_connector) * 10 ^ u.minor_unit)::bigint as dc_fee_minor,
       '2026-11-01'::timestamp at time zone coalesce(z.name, 'UTC') as instant,
       s.fee_per_connector = 0 and coalesce(s.fee_per_dc_connector, 0) = 0 as is_free,
       (a.account_id is null or z.name is null or u.minor_unit is null or w.user_id is null
        or w.account_id <> s.account_id or not coalesce(w.active, false)
        or s.fee_per_connector <> round(s.fee_per_connector, u.minor_unit)
        or coalesce(s.fee_per_dc_connector <> round(s.fee_per_dc_connector, u.minor_unit), false)) as is_held
from billing.settings_in_force('2026-11') s
left join platform.account a using (account_id)
left join (values ('EUR', 2), ('USD', 2), ('NZD', 2), ('JPY', 0), ('KWD', 3)) u (currency, minor_unit)
  on u.currency = a.currency
left join pg_timezone_names z on z.name = a.time_zone
left join platform.app_user w on w.user_id = s.financial_admin_id
where s.charge_connectors;
------ faults of chargers
create temp table moved as
select charger_id from platform.charger
where (valid_from is null or valid_from <= '2026-11-01 12:00+00') and (valid_to is null or valid_to > '2026-10-31 10:00+00')
group by charger_id having count(*) > 1;
------ accounts at fault
update term set is_held = true
where account_id in (select account_id from platform.charger
                     where scope_status is null or scope_status not in ('Public', 'Private', 'Closed'))
   or account_id in (
       select a.account_id from platform.charger a join moved using (charger_id)
       join platform.charger b on b.charger_id = a.charger_id and b.ctid <> a.ctid
        and b.valid_from < coalesce(a.valid_to, 'infinity') and a.valid_from < coalesce(b.valid_to, 'infinity'))
   or account_id in (
       select ch.account_id from platform.connector a join platform.connector b
         on b.charger_id = a.charger_id and b.connector_id = a.connector_id and b.ctid <> a.ctid
        and b.valid_from < coalesce(a.valid_to, 'infinity') and a.valid_from < coalesce(b.valid_to, 'infinity')
       join platform.charger ch on ch.charger_id = a.charger_id
       where ch.account_id = 'acc-000042');
------ statistics
analyze term;
------ connectors billed elsewhere
create temp table elsewhere as
select charger_id, connector_id, account_id from (
    select co.charger_id, co.connector_id, t.account_id,
           row_number() over (partition by co.charger_id, co.connector_id order by t.instant, t.account_id) as place
    from moved
    join platform.charger ch using (charger_id)
    join term t on t.account_id = ch.account_id and (ch.valid_from is null or ch.valid_from <= t.instant)
     and (ch.valid_to is null or ch.valid_to > t.instant)
    join platform.connector co on co.charger_id = ch.charger_id and (co.valid_from is null or co.valid_from <= t.instant)
     and (co.valid_to is null or co.valid_to > t.instant)
    where co.connector_id > 0 and co.status = 'in_service' and not (ch.scope_status = 'Closed' and t.exclude_closed)
      and not (ch.scope_status = 'Private' and t.exclude_private) and not t.is_free) ranked
where place > 1;
------ lines
create table billing.connector_decision_2026_11 (
    like billing.connector_decision including constraints, constraint period_of_all check (period = '2026-11'));
insert into billing.connector_decision_2026_11
select '2026-11', t.account_id, ch.charger_id, co.connector_id, co.power_type, d.rule_id,
       case when d.rule_id is null then case when co.power_type = 'DC' then t.dc_fee_minor else t.fee_minor end end
from term t
join platform.charger ch on ch.account_id = t.account_id and (ch.valid_from is null or ch.valid_from <= t.instant)
 and (ch.valid_to is null or ch.valid_to > t.instant)
join platform.connector co on co.charger_id = ch.charger_id and (co.valid_from is null or co.valid_from <= t.instant)
 and (co.valid_to is null or co.valid_to > t.instant)
left join elsewhere e on e.charger_id = co.charger_id and e.connector_id = co.connector_id and e.account_id = t.account_id
cross join lateral (select case
    when co.connector_id = 0 then 'STATION-ITSELF'
    when co.status <> 'in_service' then 'NOT-IN-SERVICE'
    when ch.scope_status = 'Closed' and t.exclude_closed then 'SCOPE-CLOSED'
    when ch.scope_status = 'Private' and t.exclude_private then 'SCOPE-PRIVATE'
    when t.is_free then 'FEE-ZERO'
    when e.charger_id is not null then 'BILLED-ELSEWHERE' end as rule_id) d
where not t.is_held;
------ key of all
alter table billing.connector_decision_2026_11 add primary key (account_id, charger_id, connector_id, period);
------ key of those billed
create unique index on billing.connector_decision_2026_11 (charger_id, connector_id, period) where rule_id is null;
------ statistics of the lines
analyze billing.connector_decision_2026_11;
------ attach
alter table billing.connector_decision attach partition billing.connector_decision_2026_11 for values in ('2026-11');
------ statements
create table billing.statement_2026_11 (
    like billing.statement including defaults including constraints,
    constraint of_period check (kind = 'connector' and period = '2026-11'),
    constraint of_range check (statement_id >= 'A-202611-' and statement_id < 'A-202612-'));
insert into billing.statement_2026_11 (
    statement_id, kind, period, account_id, number, run_id, account_name, financial_admin_id, time_zone, count_instant,
    statement_date, currency, minor_unit, setting_id, fee_minor, dc_fee_minor, exclude_closed, exclude_private, tax_rate,
    ac_count, dc_count, net_minor, tax_minor, total_minor, code_version)
select 'A-202611-' || lpad(n::text, greatest(6, length(n::text)), '0'), 'connector', '2026-11', account_id, n,
       (select max(run_id) from billing.run), account_name, financial_admin_id, time_zone, instant, '2026-11-01', currency,
       minor_unit, setting_id, fee_minor, dc_fee_minor, exclude_closed, exclude_private, tax_rate, ac_count, dc_count,
       net_minor, floor(net_minor * tax_rate + 0.5), net_minor + floor(net_minor * tax_rate + 0.5), 'yardstick'
from (select t.*, c.ac_count, c.dc_count, c.ac_count * t.fee_minor + c.dc_count * t.dc_fee_minor as net_minor,
             row_number() over (order by t.account_id collate "C") as n
      from term t
      join (select account_id, count(*) filter (where power_type = 'AC') as ac_count,
                   count(*) filter (where power_type = 'DC') as dc_count
            from billing.connector_decision_2026_11 where rule_id is null group by account_id) c using (account_id)
      where c.ac_count * t.fee_minor + c.dc_count * t.dc_fee_minor > 0) owed;
------ transfers
create table billing.transfer_2026_11 (
    like billing.transfer including defaults including constraints including generated,
    constraint of_range check (statement_id >= 'A-202611-' and statement_id < 'A-202612-'));
insert into billing.transfer_2026_11 (
    transfer_id, kind, statement_id, debit_account, credit_account, amount_minor, currency)
select nextval(pg_get_serial_sequence('billing.transfer', 'transfer_id')), t.kind, s.statement_id, 'receivable', t.account,
       t.minor, s.currency
from billing.statement_2026_11 s
cross join lateral (values ('issue', 'revenue', s.net_minor), ('tax', 'tax', s.tax_minor)) t (kind, account, minor)
where t.minor <> 0;
------ standings
create table billing.standing_2026_11 (
    like billing.standing including defaults including constraints including generated,
    constraint of_range check (statement_id >= 'A-202611-' and statement_id < 'A-202612-'));
insert into billing.standing_2026_11 (
    statement_id, account_key, connectors, currency, minor_unit, total_minor, balance_minor)
select statement_id, billing.account_key(account_name, account_id), ac_count + dc_count, currency, minor_unit, total_minor,
       total_minor
from billing.statement_2026_11 order by number;
------ sums and names
insert into billing.statement_sum (
    period, kind, currency, minor_unit, status, statements, connectors, total_minor, balance_minor)
select '2026-11', 'connector', currency, minor_unit, status, count(*), sum(connectors), sum(total_minor), sum(balance_minor)
from billing.standing_2026_11 group by 3, 4, 5;
insert into billing.account_name (account_id, account_name)
select account_id, left(coalesce(account_name, ''), 300) from billing.statement_2026_11 order by 1, 2;
------ mail
create table billing.mail_2026_11 (
    like billing.mail including defaults including constraints,
    constraint of_range check (statement_id >= 'A-202611-' and statement_id < 'A-202612-'));
insert into billing.mail_2026_11 (
    mail_id, kind, statement_id, account_id, financial_admin_id, period, occasion, requested_by)
select nextval(pg_get_serial_sequence('billing.mail', 'mail_id')), 'connector_statement', statement_id, account_id,
       financial_admin_id, period, 'issue', 'yardstick'
from billing.statement_2026_11;
------ keys of statements, transfers, standings and mail
alter table billing.mail_2026_11 add primary key (statement_id, kind, occasion);
create index on billing.mail_2026_11 (mail_id);
create index on billing.mail_2026_11 (state, mail_id) where state <> 'sent';
create index on billing.mail_2026_11 (again_of) where again_of is not null;
alter table billing.statement_2026_11
    add primary key (statement_id), add unique (account_id, period, kind, revision), add unique (period, kind, number);
alter table billing.transfer_2026_11 add primary key (statement_id, entry);
alter table billing.standing_2026_11 add primary key (statement_id);
create index on billing.standing_2026_11 (status, statement_id);
create index on billing.standing_2026_11 (status, account_key, statement_id);
create index on billing.standing_2026_11 (status, connectors, statement_id);
create index on billing.standing_2026_11 (status, billing.major(total_minor, minor_unit), statement_id);
create index on billing.standing_2026_11 (status, billing.major(balance_minor, minor_unit), statement_id);
create index on billing.standing_2026_11 (status, currency);
create index on billing.standing_2026_11 (statement_id)
    include (status, currency, minor_unit, balance_minor, has_failed) where balance_minor > 0;
------ attach them
alter table billing.mail attach partition billing.mail_2026_11 for values from ('A-202611-') to ('A-202612-');
alter table billing.standing attach partition billing.standing_2026_11 for values from ('A-202611-') to ('A-202612-');
alter table billing.statement attach partition billing.statement_2026_11 for values from ('A-202611-') to ('A-202612-');
alter table billing.transfer attach partition billing.transfer_2026_11 for values from ('A-202611-') to ('A-202612-');
------ accounts without a statement
insert into billing.unbilled_account (period, account_id, reason_id, detail, is_quarantined, currency, run_id)
select '2026-11', account_id, case when is_held then 'HELD' else 'NO-CONNECTORS' end, 'yardstick', is_held, currency,
       (select max(run_id) from billing.run)
from term t
where not exists (select from billing.statement s where s.kind = 'connector' and s.period = '2026-11'
                    and s.account_id = t.account_id);
------ counter
insert into billing.statement_counter
select 'connector', '2026-11', count(*) from billing.statement where kind = 'connector' and period = '2026-11';
