"""A warehouse with statements of all kinds and all statuses, and with names that nobody would wish for."""

from __future__ import annotations

import psycopg

from tests.support.postgres import PostgresServer

PERIODS = ["2026-10", "2026-11", "2026-12"]
NAMES = [
    "Acme",
    "acme",
    None,
    "",
    "<script>alert(1)</script>",
    '=cmd|"x"',
    "شركة الشحن",
    "充電 🔌",
    "Ö" * 300,
    "100% a_b",
]

# Statements of three months, account statements of two of them, corrections, and all that can become of a statement.
_MONTHS = """
insert into billing.run (dag_id, airflow_run_id, period, actor, code_version, source, shard_count)
values ('d', 'r', '2026-11', 'x', 'x', 'x', 1);
insert into billing.account_setting (account_id, effective_from, charge_connectors, fee_per_connector, exclude_closed,
                                     exclude_private, tax_rate, actor)
values ('a', '2020-01', true, 5, false, false, 0.19, 'x');
select billing.open_period(p) from unnest(array['2026-10', '2026-11', '2026-12']) p;
create temporary table drawn as
select n, 'acc-' || n as account_id, names.name, (array['EUR', 'EUR', 'JPY', 'KWD'])[1 + n % 4] as currency,
       (array[2, 2, 0, 3])[1 + n % 4] as minor, n % 7 + 1 as connectors
from generate_series(1, 40) n
join named names (name, place) on place = 1 + n % (select count(*) from named);
insert into billing.statement (
    statement_id, kind, period, account_id, number, run_id, account_name, financial_admin_id, time_zone, count_instant,
    statement_date, currency, minor_unit, setting_id, fee_minor, dc_fee_minor, tax_rate, ac_count, dc_count, net_minor,
    tax_minor, total_minor, code_version)
select 'A-' || replace(p, '-', '') || '-' || lpad(n::text, 6, '0'), 'connector', p, account_id, n, 1, name,
       'fa-' || n, 'UTC', now(), (p || '-01')::date, currency, minor, 1, 500, 500, 0, connectors, 0,
       500 * connectors, 0, 500 * connectors, 'x'
from drawn, unnest(array['2026-10', '2026-11', '2026-12']) p;
insert into billing.statement (
    statement_id, kind, period, account_id, number, run_id, account_name, financial_admin_id, time_zone, statement_date,
    currency, minor_unit, tax_rate, net_minor, tax_minor, total_minor, code_version)
select 'S-' || replace(p, '-', '') || '-' || lpad(n::text, 6, '0'), 'account', p, account_id, n, 1, name, 'fa-' || n,
       'UTC', (p || '-28')::date, currency, minor, 0, n - 20, 0, n - 20, 'x'
from drawn, unnest(array['2026-10', '2026-11']) p where n <= 25;
insert into billing.statement (
    statement_id, kind, period, account_id, revision, number, run_id, account_name, financial_admin_id, time_zone,
    statement_date, currency, minor_unit, tax_rate, net_minor, tax_minor, total_minor, corrects_statement_id,
    code_version)
select 'C-202610-' || lpad(n::text, 6, '0'), 'correction', '2026-10', account_id, 1, n, 1, name, 'fa-' || n, 'UTC',
       '2026-11-03', currency, minor, 0, n - 7, 0, n - 7, 'A-202610-' || lpad(n::text, 6, '0'), 'x'
from drawn where n in (3, 4, 9);
"""
_TRIED = """
select billing.open_attempts('issue', 'first', 'first', 'ann', 'r', 15, array_agg(statement_id),
           array_agg('cus'::text), array_agg(case when number % 11 = 0 then null else 'pm' end), array_agg(1))
from billing.statement where kind = 'connector' and number % 2 = 0 and period < '2026-12';
with answer as (
    select a.attempt_id, (array['succeeded', 'succeeded', 'declined', 'unknown'])[1 + s.number / 2 % 4] as outcome
    from billing.payment_attempt a join billing.statement s using (statement_id)
    where a.outcome = 'pending' and s.number % 5 <> 0
)
select billing.record_outcomes(
           array_agg(attempt_id), array_agg(outcome),
           array_agg(case outcome when 'succeeded' then 'pi_' || attempt_id end),
           array_agg(case outcome when 'declined' then 'insufficient_funds' end), array_agg(null::text),
           array_agg(case outcome when 'declined' then 'soft' end), array_agg('said'::text))
from answer;
select billing.open_attempts('rebill', 'again', 'again', 'ann', 'r', 15, array_agg(statement_id),
           array_agg('cus'::text), array_agg('pm'::text), array_agg(1))
from billing.standing where status = 'Billing failure' and connectors % 2 = 0;
select billing.record_outcomes(
           array_agg(attempt_id), array_agg('succeeded'::text), array_agg('pi_' || attempt_id),
           array_agg(null::text), array_agg(null::text), array_agg(null::text), array_agg('said'::text))
from billing.payment_attempt where occasion = 'again';
select billing.record_paid_outside('o-' || statement_id, statement_id, case when number % 3 = 0 then 100 end, currency,
           '2026-11-20', 'ref', 'ann', 'bank')
from billing.statement s
where kind = 'connector' and number % 7 in (1, 2) and not exists (
    select from billing.payment_attempt a where a.statement_id = s.statement_id and a.outcome <> 'declined');
-- Declined in December, and planned for every reason.
select billing.open_attempts('issue', 'declined', 'declined', 'ann', 'r', 15, array_agg(statement_id),
           array_agg('cus'::text), array_agg('pm'::text), array_agg(1))
from billing.standing where status = 'Issued' and connectors <= 3 and statement_id like 'A-202612-%';
select billing.record_outcomes(
           array_agg(attempt_id), array_agg('declined'::text), array_agg(null::text),
           array_agg((array['expired_card', 'do_not_honor'])[1 + attempt_id % 2]), array_agg(null::text),
           array_agg('soft'::text), array_agg('said'::text))
from billing.payment_attempt where occasion = 'declined' and outcome = 'pending';
update billing.payment_plan p
set reason_id = r.reason_id, detail = 'said',
    planned_at = case when r.reason_id in ('RETRY', 'CAPPED')
                      then '2026-12-03 10:59'::timestamptz + n.place * interval '7h' end
from (select statement_id, row_number() over (order by statement_id) as place
      from billing.payment_plan join billing.standing using (statement_id) where balance_minor > 0) n,
     unnest(array['RETRY', 'NO-METHOD', 'HARD-DECLINE', 'CAPPED', 'GIVEN-UP', 'TO-BE-PLANNED', 'UNACCOUNTED-PAYMENT'])
         with ordinality r (reason_id, place)
where n.statement_id = p.statement_id and r.place = 1 + n.place % 7;
-- Written off: unpaid by its status, with nothing due.
select billing.adjust_statement('w-' || statement_id, 'write_off', statement_id, null, currency, null, null, null, null,
                                'ann', 'gone', 'x')
from billing.standing where status = 'Issued' and connectors = 6 and statement_id like 'A-202612-%';
-- Refused by the gateway for a reason of ours.
select billing.open_attempts('issue', 'refused', 'refused', 'ann', 'r', 15, array_agg(statement_id),
           array_agg('cus'::text), array_agg('pm'::text), array_agg(1))
from billing.standing where status = 'Issued' and connectors = 7 and statement_id like 'A-202612-%';
select billing.record_outcomes(
           array_agg(attempt_id), array_agg('refused'::text), array_agg(null::text), array_agg('key'::text),
           array_agg(null::text), array_agg(null::text), array_agg('said'::text))
from billing.payment_attempt where occasion = 'refused' and outcome = 'pending';
"""


def listed_world(server: PostgresServer, name: str) -> str:
    """A database of this name that is so; returns its URL as the writer. Nothing of it should be changed."""
    with psycopg.connect(server.create_database(name, template="warehouse_template")) as connection:
        connection.execute("create temporary table named as select * from unnest(%s::text[]) with ordinality", (NAMES,))
        connection.execute(_MONTHS.encode())
        connection.execute(_TRIED.encode())
    return server.url("evbilling_writer", name, password="test")
