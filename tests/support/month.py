"""What the tests of a whole month share: a hand-written platform, settings, the chain of steps, looks at the result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import psycopg

from evbilling.connector_statements import (
    apply_scope_rules,
    close_run,
    extract_inventory,
    issue_statements,
    open_run,
    plan_statements,
    validate,
)
from evbilling.period import Period
from evbilling.run_steps import RunRequest
from evbilling.services import Services
from evbilling.settings import BillingTerms, record_settings

NOW = datetime(2026, 12, 5, 12, tzinfo=UTC)
PERIOD = Period(2026, 11)
# A day of the month that has come, by whatever clock a server has.
PAID_ON = date(2026, 11, 20)
LONG_AGO = "2020-01-01T00:00:00Z"

# A repeated run may add to its own record and to nothing else.
OF_THE_RUN_ITSELF = {"run", "run_shard", "fence", "validation_result"}
OF_THE_RUN_ITSELF |= {"plan", "plan_account", "plan_change", "plan_sum", "plan_decision", "approval_request"}


@dataclass(frozen=True)
class Billed:
    """What the steps of one month gave back."""

    run_id: int
    shards: list[int]
    decided: list[dict[str, Any]]
    issued: dict[str, Any]
    closed: dict[str, Any]


def request(period: Period | str = PERIOD, **limits: Any) -> RunRequest:
    """A request for a month as the DAG makes it; mailed whenever the tests run, unless told otherwise."""
    period = Period.parse(period) if isinstance(period, str) else period
    return RunRequest(period, "connector_statements", f"manual__{period}", "ann", **({"deliver": "yes"} | limits))


def stage(
    services: Services,
    period: Period | str = PERIOD,
    *,
    now: datetime = NOW,
    shard_rows: int = 1_000_000,
    **limits: Any,
) -> tuple[int, list[int], list[dict[str, Any]]]:
    """The steps up to the staged decisions: run id, shards, and what each part's decisions came to."""
    opened = open_run(services, request(period, **limits), now=now, shard_rows=shard_rows)
    run_id, shards = opened["run_id"], opened["shards"]
    for part in opened["parts"]:
        extract_inventory(services, run_id, part)
    return run_id, shards, [apply_scope_rules(services, run_id, part) for part in opened["parts"]]


def bill(services: Services, period: Period | str = PERIOD, **options: Any) -> Billed:
    """Bill a month: all its steps, one after the other, as the DAG chains them."""
    run_id, shards, decided = stage(services, period, **options)
    validate(services, run_id)
    issued = plan_and_issue(services, run_id)
    return Billed(run_id, shards, decided, issued, close_run(services, run_id))


def plan_and_issue(services: Services, run_id: int) -> dict[str, Any]:
    """The two steps that publish what is staged; returns what the second gives."""
    plan_statements(services, run_id)
    return issue_statements(services, run_id)


@dataclass
class Platform:
    """A charging platform's database, filled row by row; a charger or connector counts from `LONG_AGO` on."""

    url: str
    _rows: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)

    def account(self, account_id: str, *, zone: str | None = "Europe/Berlin", currency: str | None = "EUR") -> None:
        self._add("account", account_id, f"Name of {account_id}", "DE", zone, currency)

    def user(self, user_id: str, account_id: str, *, active: bool | None = True) -> None:
        self._add("app_user", user_id, account_id, user_id, f"{user_id}@example.org", active, None, None)

    def charger(
        self,
        charger_id: str | None,
        account_id: str | None,
        scope: str | None = "Public",
        *,
        begins: str | None = LONG_AGO,
        ends: str | None = None,
    ) -> None:
        self._add("charger", charger_id, account_id, "name", "site", scope, begins, ends)

    def connector(
        self,
        charger_id: str | None,
        number: int | None = 1,
        power: str | None = "AC",
        status: str | None = "in_service",
        *,
        begins: str | None = LONG_AGO,
        ends: str | None = None,
    ) -> None:
        self._add("connector", charger_id, number, "IEC_62196_T2", power, status, begins, ends)

    def station(
        self, charger_id: str, account_id: str, scope: str | None = "Public", *, connectors: int = 1, **options: Any
    ) -> None:
        """A charger with so many connectors, numbered from 1."""
        self.charger(charger_id, account_id, scope)
        for number in range(1, connectors + 1):
            self.connector(charger_id, number, **options)

    def plain_account(self, account_id: str, *, connectors: int = 1, **options: Any) -> None:
        """An account in good order: its admin `fa-<account>` and one public charger `<account>-1`."""
        self.account(account_id, **options)
        self.user(f"fa-{account_id}", account_id)
        if connectors:
            self.station(f"{account_id}-1", account_id, connectors=connectors)

    def _add(self, table: str, *row: Any) -> None:
        self._rows.setdefault(table, []).append(row)

    def save(self) -> None:
        """Write what was added since the last save."""
        with psycopg.connect(self.url) as connection, connection.cursor() as cursor:
            for table, rows in self._rows.items():
                marks = ", ".join(["%s"] * len(rows[0]))
                cursor.executemany(f"insert into platform.{table} values ({marks})", rows)
        self._rows.clear()

    def execute(self, statement: str, *values: Any) -> None:
        """Change the platform by a statement of its own."""
        with psycopg.connect(self.url) as connection:
            connection.execute(statement, values or None)


def terms(account_id: str, fee: str = "5.00", **changes: Any) -> BillingTerms:
    """Settings of an account in good order, from 2020-01 on."""
    values: dict[str, Any] = {
        "effective_from": Period(2020, 1),
        "charge_connectors": True,
        "financial_admin_id": f"fa-{account_id}",
        "fee_per_connector": Decimal(fee),
        "fee_per_dc_connector": None,
        "exclude_closed": False,
        "exclude_private": False,
        "tax_rate": Decimal("0.19"),
    }
    return BillingTerms(account_id=account_id, **(values | changes))


def settle_terms(warehouse_url: str, *settings: BillingTerms) -> None:
    """Record settings."""
    record_settings(warehouse_url, settings, "ann")


def rows(url: str, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    with psycopg.connect(url) as connection:
        return connection.execute(query, values or None).fetchall()


def one(url: str, query: str, *values: Any) -> Any:
    """The only value of a query."""
    ((value,),) = rows(url, query, *values)
    return value


def contents(url: str, *, leave_out: Iterable[str] = ()) -> dict[str, list[str]]:
    """Every row of every table of schema billing as text, by table."""
    tables: Sequence[tuple[str]] = rows(
        url, "select relname from pg_class where relnamespace = 'billing'::regnamespace and relkind in ('r', 'p')"
    )
    names = sorted({name for (name,) in tables} - set(leave_out))
    return {name: [row for (row,) in rows(url, f"select t::text from billing.{name} t order by 1")] for name in names}


def published(url: str) -> dict[str, list[str]]:
    """What a month publishes: statements, decisions, unbilled accounts."""
    names = ("statement", "connector_decision", "unbilled_account")
    return {name: [row for (row,) in rows(url, f"select t::text from billing.{name} t order by 1")] for name in names}


def staging_tables(url: str) -> list[str]:
    """Names of what lies in schema staging."""
    query = "select relname from pg_class where relnamespace = 'staging'::regnamespace and relkind in ('r', 'p')"
    return sorted(name for (name,) in rows(url, query))


_DIFFERENCES = {
    "a standing isn't what the ledger says": "select * from billing.standing_difference",
    "sums aren't what the statements come to": "select * from billing.statement_sum_difference",
    "finance.statements says otherwise than the list": """
        select s.statement_id, s.status, l.status::text from finance.statements s
        full join billing.standing l using (statement_id)
        where s.kind = 'connector' and (s.status, s.balance_due, s.paid_amount) is distinct from (
            l.status::text, round(l.balance_minor / power(10::numeric, l.minor_unit), l.minor_unit),
            round(l.paid_minor / power(10::numeric, l.minor_unit), l.minor_unit))""",
}


def standings_differ(connection: psycopg.Connection[Any]) -> dict[str, list[tuple[Any, ...]]]:
    """In what the list of statements isn't what ledger and attempts say; {}: in nothing."""
    found = {says: connection.execute(query.encode()).fetchall() for says, query in _DIFFERENCES.items()}
    return {says: rows for says, rows in found.items() if rows}


def check_standings(url: str) -> None:
    """What the list of statements is read from is what ledger and attempts say, and adds up."""
    with psycopg.connect(url) as connection:
        assert standings_differ(connection) == {}
