"""The figures of a month; amounts are in major units beside their currency."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from evbilling.period import Period

# In the order in which finance reads them: collected first, then still due.
STATUSES = (
    "Paid",
    "Billing failure (resolved)",
    "Paid manually",
    "Partly paid",
    "Billing failure",
    "Issued",
)
# As in finance.receivables_by_age, with the last day that each includes.
AGES = (("0-30 days", 30), ("31-60 days", 60), ("61-90 days", 90), ("over 90 days", None))


@dataclass(frozen=True, slots=True)
class BilledMonth:
    """Connector statements issued for one month and the connectors billed on them; corrections don't count."""

    period: Period
    statements: int
    connectors: int


@dataclass(frozen=True, slots=True)
class StatusFigure:
    """A month's connector statements of one currency in one status.

    `total` is as issued; `balance` is the balance due now with corrections, below zero for a credit.
    """

    currency: str
    status: str
    statements: int
    total: Decimal
    balance: Decimal


@dataclass(frozen=True, slots=True)
class OtherFigure:
    """A month's account statements (`total`: their closing balances) or corrections in one currency."""

    kind: str
    currency: str
    statements: int
    total: Decimal


@dataclass(frozen=True, slots=True)
class FailureFigure:
    """A month's failures of one decline class: declined attempts; statements whose last decline is of the class; and of
    these those on which something is still due."""

    decline_class: str
    attempts: int
    statements: int
    unpaid: int


@dataclass(frozen=True, slots=True)
class DeclineFigure:
    """One decline code among a month's failures, counted as in FailureFigure, and what its financial admins read.

    The last may be the rest, with an empty code.
    """

    code: str
    decline_class: str
    attempts: int
    statements: int
    unpaid: int
    explanation: str


@dataclass(frozen=True, slots=True)
class AgeFigure:
    """The balances of all accounts on connector statements of one age and currency, debts and credits apart.

    `due` is zero or more, on `statements`; `credit` is zero or less, on `credits`.
    """

    currency: str
    age: str
    statements: int
    due: Decimal
    credits: int
    credit: Decimal

    @property
    def balance(self) -> Decimal:
        """Due less credit."""
        return self.due + self.credit


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An account without its statement. `reasons` are (id, sentence); what was expected of it is None where it isn't
    known or doesn't apply."""

    account_id: str
    account_name: str | None
    reasons: tuple[tuple[str, str], ...]
    expected_connectors: int | None = None
    expected_amount: Decimal | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class LeftOutFigure:
    """Accounts of one sort without their statement: their number; the money expected of them by currency; the number of
    those whose expected money isn't known; and the first of them, the most money first."""

    accounts: int = 0
    expected: tuple[tuple[str, Decimal], ...] = ()
    unknown: int = 0
    shown: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """Two figures that must agree, as they were counted when a run closed."""

    check_id: str
    left_label: str
    left_value: Decimal
    right_label: str
    right_value: Decimal

    @property
    def difference(self) -> Decimal:
        """Left less right."""
        return self.left_value - self.right_value

    @property
    def is_ok(self) -> bool:
        """True if the figures are equal."""
        return self.difference == 0


@dataclass(frozen=True, slots=True)
class Doubt:
    """What is doubtful about a month, not wrong: `expected` is what should be so, `found` what is, with examples."""

    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class MonthRun:
    """A run that keeps a record of the month: of connector_statements, account_statements or correct_statements.

    `airflow_dag_id` is the DAG that ran, such as bill_month; `failure` is why it failed; `differing` is the number of
    issued statements that it would issue differently now.
    """

    run_id: int
    dag_id: str
    airflow_dag_id: str
    airflow_run_id: str
    state: str
    actor: str
    opened_at: datetime
    failure: str | None
    warnings: int
    differing: int
    has_validation_page: bool


@dataclass(frozen=True, slots=True)
class MonthOverview:
    """One period at a glance; ages are as of `day`. `history` has twelve months, oldest first, this one last.

    `issued_at` and `stated_at` are when connector and account statements were first issued, or None. `on_hold_since`:
    nothing is charged since then, of any month, because the warehouse was restored from a backup. `overdue` and
    `statements_overdue`: for how long the connector and account statements are, in words, or None.
    """

    period: Period
    day: date
    issued_at: datetime | None
    stated_at: datetime | None
    history: tuple[BilledMonth, ...]
    statuses: tuple[StatusFigure, ...]
    others: tuple[OtherFigure, ...]
    failures: tuple[FailureFigure, ...]
    declines: tuple[DeclineFigure, ...]
    under_way: int
    receivables: tuple[AgeFigure, ...]
    quarantined: LeftOutFigure
    nothing_to_bill: LeftOutFigure
    withheld: LeftOutFigure
    checks: tuple[Check, ...]
    runs: tuple[MonthRun, ...]
    on_hold_since: datetime | None = None
    doubts: tuple[Doubt, ...] = ()
    overdue: str | None = None
    statements_overdue: str | None = None

    @property
    def this_month(self) -> BilledMonth:
        """The period itself."""
        return self.history[-1]

    @property
    def currencies(self) -> tuple[str, ...]:
        """The currencies of the month's connector statements, the one with the most statements first."""
        counted: dict[str, int] = {}
        for figure in self.statuses:
            counted[figure.currency] = counted.get(figure.currency, 0) + figure.statements
        return tuple(sorted(counted, key=lambda currency: (-counted[currency], currency)))

    @property
    def not_ok(self) -> tuple[Check, ...]:
        """The checks whose figures differ."""
        return tuple(check for check in self.checks if not check.is_ok)

    @property
    def is_begun(self) -> bool:
        """True if the month has a run, a statement or an account left out."""
        return bool(self.runs or self.this_month.statements or self.others or self.checks)

    def of_kind(self, kind: str) -> int:
        """The number of account statements or corrections of the month."""
        return sum(figure.statements for figure in self.others if figure.kind == kind)


@dataclass(frozen=True, slots=True)
class MonthLine:
    """A month in the list of months. `state` is that of its newest run of connector statements, None without one.

    `is_partly_issued`: only its canary is issued. `overdue`: for how long it should have been billed, in words.
    """

    period: Period
    statements: int
    connectors: int
    account_statements: int
    quarantined: int
    checks: int
    not_ok: int
    state: str | None
    is_partly_issued: bool = False
    overdue: str | None = None
