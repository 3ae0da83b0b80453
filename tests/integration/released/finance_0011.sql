-- The finance views as they were released with migration 0011: what tests of later migrations begin with.

create or replace view finance.statements with (security_barrier) as
select s.statement_id,
       s.kind,
       case s.kind when 'connector' then 'Account Chargers' when 'account' then 'Account Statement'
                   else 'Correction' end as type_label,
       s.account_id,
       s.account_name,
       s.financial_admin_id,
       s.period::text as period,
       s.statement_date,
       s.currency,
       s.ac_count + s.dc_count as connector_count,
       round(s.net_minor / power(10::numeric, s.minor_unit), s.minor_unit) as net_amount,
       round(s.tax_minor / power(10::numeric, s.minor_unit), s.minor_unit) as tax_amount,
       round(s.total_minor / power(10::numeric, s.minor_unit), s.minor_unit) as total_amount,
       case s.kind when 'connector'
            then round(m.paid_minor / power(10::numeric, s.minor_unit), s.minor_unit) end as paid_amount,
       case s.kind when 'connector'
            then round(m.balance_minor / power(10::numeric, s.minor_unit), s.minor_unit) end as balance_due,
       case when s.kind <> 'connector' then 'Issued'
            when m.balance_minor <= 0 and m.last_way = 'paid_outside' then 'Paid manually'
            when m.balance_minor <= 0 and h.has_failed then 'Billing failure (resolved)'
            when m.balance_minor <= 0 then 'Paid'
            when m.paid_minor > 0 then 'Partly paid'
            when h.has_failed then 'Billing failure'
            else 'Issued' end as status,
       s.issued_at,
       s.corrects_statement_id
from billing.statement s
left join billing.receivable m on m.statement_id = s.statement_id
left join lateral (
    select bool_or(a.outcome = 'declined') as has_failed
    from billing.payment_attempt a where a.statement_id = s.statement_id) h on s.kind = 'connector';

create or replace view finance.statement_lines with (security_barrier) as
select s.statement_id,
       d.period,
       d.account_id,
       d.charger_id,
       d.connector_id,
       d.power_type,
       round(d.unit_price_minor / power(10::numeric, s.minor_unit), s.minor_unit) as unit_price,
       round(d.unit_price_minor / power(10::numeric, s.minor_unit), s.minor_unit) as net_amount
from billing.connector_decision d
join billing.statement s
  on s.kind = 'connector' and s.revision = 0 and s.period = d.period and s.account_id = d.account_id
where d.rule_id is null;

create or replace view finance.connector_decisions with (security_barrier) as
select d.period,
       d.account_id,
       d.charger_id,
       d.connector_id,
       d.rule_id is null as is_billed,
       d.rule_id,
       s.statement_id
from billing.connector_decision d
left join billing.statement s
  on s.kind = 'connector' and s.revision = 0 and s.period = d.period and s.account_id = d.account_id
     and d.rule_id is null;

create or replace view finance.unbilled_accounts with (security_barrier) as
select u.period::text as period,
       u.account_id,
       u.reason_id,
       u.detail,
       u.expected_connector_count,
       u.expected_amount,
       u.currency,
       u.is_quarantined
from billing.unbilled_account u
where u.resolved_by_run_id is null;

create or replace view finance.tie_out with (security_barrier) as
select t.period::text as period,
       t.check_id,
       t.left_label,
       t.left_value,
       t.right_label,
       t.right_value,
       t.left_value - t.right_value as difference,
       t.left_value = t.right_value as is_ok
from billing.tie_out t;

create or replace view finance.audit_events with (security_barrier) as
select e.event_id, e.occurred_at, e.actor, e.action, e.subject_id, e.reason, e.run_id
from billing.audit_event e;

create or replace view finance.account_statement_items with (security_barrier) as
select i.statement_id,
       i.item_kind,
       i.item_id,
       i.occurred_at,
       i.description,
       i.currency,
       round(i.net_minor / power(10::numeric, i.minor_unit), i.minor_unit) as net_amount,
       round(i.tax_minor / power(10::numeric, i.minor_unit), i.minor_unit) as tax_amount,
       round(i.total_minor / power(10::numeric, i.minor_unit), i.minor_unit) as total_amount,
       round(i.settled_minor / power(10::numeric, i.minor_unit), i.minor_unit) as settled_amount,
       i.account_id
from billing.account_statement_item i;

create or replace view finance.withheld_account_statements with (security_barrier) as
select w.period::text as period, w.account_id, w.reason_id, w.detail
from billing.withheld_account w
where w.resolved_by_run_id is null;

create or replace view finance.payment_attempts with (security_barrier) as
select a.attempt_id,
       a.statement_id,
       a.attempt_no,
       a.trigger,
       a.requested_by,
       a.requested_at,
       a.currency,
       round(a.amount_minor / power(10::numeric, a.minor_unit), a.minor_unit) as amount,
       a.outcome,
       a.decline_code,
       a.gateway_payment_id,
       a.decline_class,
       a.payment_method,
       a.message,
       a.sent_at,
       a.settled_at
from billing.payment_attempt a;

create or replace view finance.payments with (security_barrier) as
select 'gateway' as paid_by,
       a.gateway_payment_id as payment_id,
       a.statement_id,
       s.account_id,
       (a.settled_at at time zone 'UTC')::date as paid_on,
       a.currency,
       round(a.amount_minor / power(10::numeric, a.minor_unit), a.minor_unit) as amount,
       a.requested_by as recorded_by,
       a.settled_at as recorded_at,
       null::text as reference
from billing.payment_attempt a join billing.statement s using (statement_id)
where a.outcome = 'succeeded'
union all
select 'outside', 'paid-outside-' || p.paid_outside_id, p.statement_id, s.account_id, p.paid_on, p.currency,
       round(p.amount_minor / power(10::numeric, p.minor_unit), p.minor_unit), p.actor, p.recorded_at, p.reference
from billing.paid_outside p join billing.statement s using (statement_id);

create or replace view finance.payment_plans with (security_barrier) as
select p.statement_id, p.planned_at, p.reason_id, p.detail, p.decided_at
from billing.payment_plan p join billing.receivable r using (statement_id)
where p.reason_id <> 'PAID' and r.balance_minor > 0;

create or replace view finance.receivables_by_age with (security_barrier) as
select r.account_id,
       r.currency,
       case when current_date - r.statement_date <= 30 then '0-30 days'
            when current_date - r.statement_date <= 60 then '31-60 days'
            when current_date - r.statement_date <= 90 then '61-90 days'
            else 'over 90 days' end as age,
       count(*) as statements,
       sum(round(r.balance_minor / power(10::numeric, r.minor_unit), r.minor_unit)) as balance_due
from billing.receivable r
where r.balance_minor <> 0
group by 1, 2, 3;

create or replace view finance.ledger with (security_barrier) as
select t.transfer_id,
       t.posted_at,
       t.kind,
       t.statement_id,
       t.debit_account,
       t.credit_account,
       t.currency,
       round(t.amount_minor / power(10::numeric, s.minor_unit), s.minor_unit) as amount,
       t.attempt_id,
       t.correction_id
from billing.transfer t join billing.statement s using (statement_id);

create or replace view finance.payment_breaks with (security_barrier) as
select b.break_id,
       b.kind,
       b.gateway_payment_id,
       b.attempt_id,
       b.statement_id,
       b.currency,
       b.recorded_minor,
       b.gateway_minor,
       b.detail,
       b.first_seen_at,
       b.last_seen_at,
       b.gone_at is null as is_open
from billing.payment_break b;

create or replace view finance.correction_lines with (security_barrier) as
select l.correction_id as statement_id,
       l.period::text as period,
       l.account_id,
       l.charger_id,
       l.connector_id,
       l.power_type,
       round(l.before_minor / power(10::numeric, s.minor_unit), s.minor_unit) as unit_price_before,
       round(l.after_minor / power(10::numeric, s.minor_unit), s.minor_unit) as unit_price,
       l.rule_id,
       round((coalesce(l.after_minor, 0) - coalesce(l.before_minor, 0)) / power(10::numeric, s.minor_unit), s.minor_unit)
           as net_amount
from billing.correction_line l join billing.statement s on s.statement_id = l.correction_id;

grant select on all tables in schema finance to finance_reader, evbilling_writer;
