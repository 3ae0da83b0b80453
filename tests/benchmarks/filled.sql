-- A month of connector statements, published by the product's own functions and mostly paid, and as many account
-- statements. For tests/benchmarks/filled.py, statement by statement. Values: accounts, period, first (its first day).
------ drafts
insert into staging.{table} (
    account_id, account_name, financial_admin_id, time_zone, count_instant, currency, minor_unit, setting_id, fee_minor,
    dc_fee_minor, exclude_closed, exclude_private, tax_rate, ac_count, dc_count, net_minor, tax_minor, total_minor)
select account_id, initcap(word) || ' ' || kind || ' ' || n, 'user-' || n, 'Europe/Berlin', %(first)s::date, currency,
       minor, n, fee, 2 * fee, false, false, 0.19, ac, dc, net, floor(net * 0.19 + 0.5), net + floor(net * 0.19 + 0.5)
from (select n, 'acc-' || lpad(n::text, 6, '0') as account_id, substr(md5(n::text), 1, 8) as word,
             (array['Fleet', 'Hotel', 'Park House', 'Works', 'Market'])[1 + n %% 5] as kind,
             case when n %% 100 = 0 then 'KWD' when n %% 25 = 1 then 'JPY' when n %% 10 = 2 then 'GBP'
                  when n %% 4 = 3 then 'USD' else 'EUR' end as currency,
             case when n %% 100 = 0 then 3 when n %% 25 = 1 then 0 else 2 end as minor,
             500 + n %% 8 * 100 as fee, 41 + abs(hashint4(n) %% 40) as ac, n %% 7 as dc
      from generate_series(1, %(accounts)s) n) drawn
cross join lateral (values (ac * fee + dc * 2 * fee)) sums (net)
------ number
select billing.number_drafts({run}, {epoch})
------ plan
select billing.make_plan({run}, {epoch})
------ approval
select billing.decide_on_plan(plan_id, plan_hash, 'all', 'approved', 'policy', 'bench', 'bench')
from billing.plan where run_id = {run}
------ publish
select billing.publish_connector_statements({run}, {epoch}, 'bench', 'bench')
------ in bulk
set session_replication_role = replica
------ attempts
insert into billing.payment_attempt (
    statement_id, attempt_no, trigger, occasion, batch, requested_by, currency, minor_unit, amount_minor, customer,
    payment_method, idempotency_key, outcome, sent_at, gateway_payment_id, decline_code, decline_class, settled_at)
select statement_id, a.no, 'issue', 'bench' || a.no, 'bench', 'bench', currency, minor_unit, total_minor, 'cus', 'pm',
       'bench/' || statement_id || '/' || a.no, a.outcome, issued_at,
       case a.outcome when 'succeeded' then 'pi_' || statement_id || a.no end,
       case a.outcome when 'declined' then 'insufficient_funds' end,
       case a.outcome when 'declined' then 'soft' end, issued_at
from billing.statement s
cross join lateral (
    select 1 as no, case when number %% 12 = 5 then 'declined' else 'succeeded' end as outcome where number %% 10 <> 4
    union all
    select 2, 'succeeded' where number %% 12 = 5 and number %% 10 <> 4 and number %% 3 = 2 and number %% 5 <> 0) a
where kind = 'connector' and period = %(period)s order by statement_id, a.no
------ payments
insert into billing.transfer (kind, statement_id, debit_account, credit_account, amount_minor, currency, attempt_id)
select 'payment', a.statement_id, 'cash', 'receivable', a.amount_minor, a.currency, a.attempt_id
from billing.payment_attempt a join billing.statement s using (statement_id)
where s.period = %(period)s and a.outcome = 'succeeded' order by a.attempt_id
------ paid outside
with paid as (
    insert into billing.paid_outside (
        request_id, statement_id, amount_minor, currency, minor_unit, paid_on, reference, actor, reason)
    select 'bench/' || statement_id, statement_id, case when number %% 50 = 4 then total_minor / 2 else total_minor end,
           currency, minor_unit, statement_date, 'bench', 'bench', 'bench'
    from billing.statement where kind = 'connector' and period = %(period)s and number %% 30 in (4, 24)
    order by statement_id
    returning paid_outside_id, statement_id, amount_minor, currency
)
insert into billing.transfer (
    kind, statement_id, debit_account, credit_account, amount_minor, currency, paid_outside_id)
select 'paid_outside', statement_id, 'paid_outside', 'receivable', amount_minor, currency, paid_outside_id from paid
------ no more in bulk
reset session_replication_role
------ statistics
vacuum analyze billing.payment_attempt, billing.paid_outside, {transfers}
------ standings
select billing.refresh_standing(array(
    select statement_id from billing.statement where kind = 'connector' and period = %(period)s))
------ plans
insert into billing.payment_plan (statement_id, planned_at, reason_id, detail)
select statement_id, case when reason = 'RETRY' then now() + interval '1 day' end, reason, 'bench'
from (select statement_id, (array['RETRY', 'RETRY', 'NO-METHOD', 'HARD-DECLINE', 'GIVEN-UP'])[
                 1 + abs(hashtext(statement_id)) %% 5] as reason
      from billing.standing s
      where billing.period_of(statement_id) = %(period)s and status = 'Billing failure') s
order by statement_id
------ account statements
insert into billing.statement (
    statement_id, kind, period, account_id, number, run_id, account_name, financial_admin_id, time_zone, statement_date,
    currency, minor_unit, tax_rate, net_minor, tax_minor, total_minor, code_version)
select 'S' || substr(statement_id, 2), 'account', period, account_id, number, run_id, account_name, financial_admin_id,
       time_zone, (statement_date + interval '1 month - 1 day')::date, currency, minor_unit, 0, total_minor, 0,
       total_minor, code_version
from billing.statement where kind = 'connector' and period = %(period)s order by number
