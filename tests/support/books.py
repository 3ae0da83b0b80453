"""A platform and a warehouse with the month's two DAGs between them, driven a month at a time."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg

from evbilling.account_statements import assemble, validate
from evbilling.account_statements import close_run as close_account_run
from evbilling.account_statements import issue_statements as issue_account_statements
from evbilling.period import Period
from evbilling.run_steps import RunRequest
from evbilling.services import Services
from tests.support.month import (
    OF_THE_RUN_ITSELF,
    Platform,
    contents,
    one,
    plan_and_issue,
    rows,
    settle_terms,
    stage,
    staging_tables,
    terms,
)

NOW = datetime(2027, 6, 30, 12, tzinfo=UTC)

_payments = itertools.count(1)


class Books:
    """A platform, a warehouse, and the month's two DAGs between them."""

    def __init__(self, platform_url: str, warehouse: Any, evidence: Path) -> None:
        self.platform = Platform(platform_url)
        self.warehouse = warehouse
        self.writer = warehouse.writer_url
        self.services = Services(platform_url, self.writer, str(evidence))

    def open(self, *names: str, **options: Any) -> None:
        """Accounts in good order with one connector each, billed 5.95 a month."""
        for name in names:
            self.platform.plain_account(name, **options)
        self.platform.save()
        settle_terms(self.writer, *[terms(name) for name in names])

    def charge(
        self,
        charge_id: str | None,
        account: str,
        net: str | None = "10.00",
        settled: str = "0",
        at: str | None = "2026-11-10T12:00:00Z",
        currency: str = "EUR",
    ) -> None:
        """A charge of the platform, without tax."""
        self.platform.execute(
            "insert into platform.account_charge values (%s, %s, null, 'fee', %s, %s, %s, 0, %s, %s)",
            charge_id,
            account,
            f"Charge {charge_id}",
            at,
            net,
            currency,
            settled,
        )

    def settle_charge(self, charge_id: str, settled: str) -> None:
        """The platform says that so much of a charge is settled now."""
        self.platform.execute(
            "update platform.account_charge set settled_amount = %s where charge_id = %s", settled, charge_id
        )

    def bill(self, period: str) -> int:
        """Issue a month's connector statements; returns the run."""
        run_id, *_ = stage(self.services, period, now=NOW)
        plan_and_issue(self.services, run_id)
        return run_id

    def assemble(self, period: str, *, dag_run: str = "scheduled", now: datetime = NOW) -> dict[str, Any]:
        request = RunRequest(Period.parse(period), "account_statements", dag_run, "ann")
        return assemble(self.services, request, now=now)

    def state(self, period: str) -> dict[str, Any]:
        """A month's end: all its steps. Every check agrees, and nothing stays in staging."""
        run_id = self.assemble(period)["run_id"]
        found = validate(self.services, run_id)
        issued = issue_account_statements(self.services, run_id)
        assert close_account_run(self.services, run_id)["not_ok"] == []
        assert [name for name in staging_tables(self.warehouse.admin_url) if "account_run" in name] == []
        return issued | {"run_id": run_id, "warnings": found["warnings"]}

    def month(self, period: str) -> dict[str, Any]:
        """Both DAGs of a month."""
        self.bill(period)
        return self.state(period)

    def pay(self, statement_id: str) -> str:
        """Collect what is due on a statement by the gateway; returns the payment's id."""
        payment_id = f"pi_{next(_payments)}"
        with psycopg.connect(self.writer) as connection:
            connection.execute(
                """select billing.open_attempts('issue', %s, %s, 'ann', 'test', 15, %s, array['cus'], array['pm'],
                                                array[1])""",
                (payment_id, payment_id, [statement_id]),
            )
            ((attempt_id, *_),) = connection.execute(
                "select * from billing.claim_attempts(%s, 10, interval '1 minute')", (payment_id,)
            ).fetchall()
            connection.execute(
                """select billing.record_outcomes(%s, array['succeeded'], %s, array[null::text], array[null::text],
                                                  array[null::text], array[null::text])""",
                ([attempt_id], [payment_id]),
            )
        return payment_id

    def mark_paid(self, statement_id: str, minor: int) -> str:
        """Mark so much of a statement as paid outside; returns the payment's id."""
        query = """select 'paid-outside-' || paid_outside_id
                   from billing.record_paid_outside(%s, %s, %s, 'EUR', '2026-11-20', 'transfer', 'ann', 'test')"""
        return str(one(self.writer, query, f"request {next(_payments)}", statement_id, minor))

    def undo(self, statement_id: str) -> None:
        """Undo the only payment of a statement that is marked as paid."""
        query = "select billing.reverse_paid_outside(%s, %s, null, 'ann', 'mistake')::text"
        rows(self.writer, query, f"request {next(_payments)}", statement_id)

    def correct(self, statement_id: str, minor: int) -> str:
        """Issue a correction of so much, without tax; returns its id."""
        return str(
            one(
                self.warehouse.admin_url,
                """insert into billing.statement (
                   statement_id, kind, period, account_id, number, run_id, account_name, financial_admin_id, time_zone,
                   statement_date, currency, minor_unit, tax_rate, net_minor, tax_minor, total_minor,
                   corrects_statement_id, code_version)
               select 'C-' || replace(period, '-', '') || '-000001', 'correction', period, account_id, 1, run_id,
                      account_name, financial_admin_id, time_zone, statement_date, currency, minor_unit, 0, %s, 0, %s,
                      statement_id, code_version
               from billing.statement where statement_id = %s returning statement_id""",
                minor,
                minor,
                statement_id,
            )
        )

    def statement(self, account: str, period: str, kind: str = "account") -> str:
        """The id of an account's statement."""
        query = "select statement_id from billing.statement where (kind, account_id, period) = (%s, %s, %s)"
        return str(one(self.warehouse.admin_url, query, kind, account, period))

    def items(self, account: str, period: str) -> dict[tuple[str, str], tuple[Decimal, Decimal]]:
        """What an account's statement lists: total and settled amount by kind and id."""
        query = """select item_kind, item_id, i.total_amount, settled_amount from finance.account_statement_items i
                   join finance.statements s using (statement_id) where s.account_id = %s and s.period = %s"""
        return {
            (k, i): (total, settled)
            for k, i, total, settled in rows(self.warehouse.finance_url, query, account, period)
        }

    def closing(self, period: str) -> dict[str, Decimal]:
        """Closing balances by account."""
        query = "select account_id, total_amount from finance.statements where kind = 'account' and period = %s"
        return dict(rows(self.warehouse.finance_url, query, period))

    def withheld(self) -> list[tuple[str, str, str]]:
        """Period, account and reason of what is withheld."""
        query = "select period, account_id, reason_id from finance.withheld_account_statements order by 1, 2, 3"
        return rows(self.warehouse.finance_url, query)

    def kept(self) -> dict[str, list[str]]:
        """All that is on record but what a run keeps of itself."""
        return contents(self.warehouse.admin_url, leave_out=OF_THE_RUN_ITSELF)

    def warnings(self, run_id: int) -> str:
        """The warnings in a run's record."""
        return str(one(self.warehouse.admin_url, "select warnings::text from billing.run where run_id = %s", run_id))
