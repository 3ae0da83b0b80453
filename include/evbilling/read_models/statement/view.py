"""One statement: the value objects from which its page, its PDF and its mail are made. Pure.

Amounts are decimals in major units of the header's currency, with exactly its decimals; instants are aware.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from evbilling.causes import CauseFigure
from evbilling.read_models.statement.labels import (
    change_says,
    item_label,
    outcome_says,
    plan_says,
    rule_says,
    trigger_label,
)

CONNECTOR, ACCOUNT, CORRECTION = "connector", "account", "correction"

# More chargers than this aren't counted: counting a million takes seconds, and the number isn't needed.
MOST_COUNTED = 10_000


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms frozen into a connector statement, and who set them."""

    fee: Decimal
    dc_fee: Decimal
    exclude_closed: bool
    exclude_private: bool
    set_by: str
    set_at: datetime
    effective_from: str

    @property
    def has_dc_fee(self) -> bool:
        """True if DC connectors have another fee."""
        return self.dc_fee != self.fee


@dataclass(frozen=True, slots=True)
class Header:
    """The statement itself. Fields that its kind doesn't have are None: only connector statements are collected.

    `paid`, `balance` and `status` are as of now, all else as issued. A correction's amounts are the changes to
    the statement it corrects; an account statement's total is its closing balance.
    """

    statement_id: str
    kind: str
    type_label: str
    account_id: str
    account_name: str | None
    financial_admin_id: str
    period: str
    revision: int
    statement_date: date
    time_zone: str
    count_instant: datetime | None
    issued_at: datetime
    currency: str
    minor_unit: int
    net: Decimal
    tax: Decimal
    total: Decimal
    tax_rate: Decimal
    paid: Decimal | None
    balance: Decimal | None
    status: str
    ac_count: int | None
    dc_count: int | None
    terms: Terms | None
    corrects: str | None
    code_version: str
    run_id: int

    @property
    def connector_count(self) -> int | None:
        """Connectors billed; None for other kinds."""
        return None if self.ac_count is None or self.dc_count is None else self.ac_count + self.dc_count


@dataclass(frozen=True, slots=True)
class Line:
    """One billed connector of a charger."""

    connector_id: int
    power_type: str
    price: Decimal
    standard: str | None = None


@dataclass(frozen=True, slots=True)
class ChargerLines:
    """A charger's billed connectors: `lines` has the first of them, counts and subtotal cover all.

    Its name, site and scope status are those at the count; None where they aren't known.
    """

    charger_id: str
    lines: tuple[Line, ...]
    ac_count: int
    dc_count: int
    subtotal: Decimal
    name: str | None = None
    site: str | None = None
    scope_status: str | None = None

    @property
    def connector_count(self) -> int:
        """Billed connectors of the charger."""
        return self.ac_count + self.dc_count


@dataclass(frozen=True, slots=True)
class SiteCount:
    """The billed connectors of one site; None: of chargers whose site isn't known."""

    site: str | None
    chargers: int
    ac_count: int
    dc_count: int
    subtotal: Decimal

    @property
    def connector_count(self) -> int:
        """Billed connectors of the site."""
        return self.ac_count + self.dc_count


@dataclass(frozen=True, slots=True)
class ChangedConnector:
    """A connector that is billed now and wasn't before, or the reverse, or as another power type; `cause` is an id.

    `other_account`: to which it went, or from which it came, if that one is billed for it.
    """

    charger_id: str
    connector_id: int
    power_type: str | None
    is_billed: bool
    was_billed: bool
    other_account: str | None
    other_name: str | None
    name: str | None
    site: str | None
    cause: str

    @property
    def says(self) -> str:
        """The cause in the customer's words, in English."""
        return change_says(self.cause, is_billed=self.is_billed)


@dataclass(frozen=True, slots=True)
class Change:
    """A connector statement beside the last month billed before it: the causes add up to the difference exactly.

    Fees and tax rate of before are None if the account had no statement then. `connectors` are the first of them;
    `has_more`: there are others.
    """

    compared_with: str
    statement_before: str | None
    connectors_before: int
    connectors_now: int
    total_before: Decimal
    total_now: Decimal
    fee_before: Decimal | None
    dc_fee_before: Decimal | None
    tax_rate_before: Decimal | None
    causes: tuple[CauseFigure, ...]
    connectors: tuple[ChangedConnector, ...]
    has_more: bool

    @property
    def connectors_change(self) -> int:
        """By how many connectors it differs."""
        return self.connectors_now - self.connectors_before

    @property
    def amount(self) -> Decimal:
        """By how much its total differs, tax included."""
        return self.total_now - self.total_before

    @property
    def new(self) -> tuple[ChangedConnector, ...]:
        """Those that are billed now."""
        return tuple(one for one in self.connectors if one.is_billed)

    @property
    def gone(self) -> tuple[ChangedConnector, ...]:
        """Those that are no longer billed."""
        return tuple(one for one in self.connectors if not one.is_billed)


@dataclass(frozen=True, slots=True)
class BilledConnector:
    """One billed connector of the account, named as at the count."""

    charger_id: str
    connector_id: int
    power_type: str
    price: Decimal
    name: str | None = None
    site: str | None = None
    scope_status: str | None = None
    standard: str | None = None


@dataclass(frozen=True, slots=True)
class ExcludedByRule:
    """The number of the account's connectors that a rule excluded, and the rule in words."""

    rule_id: str
    says: str
    connector_count: int


@dataclass(frozen=True, slots=True)
class ExcludedConnector:
    """One connector of the account that isn't billed, named as at the count."""

    charger_id: str
    connector_id: int
    power_type: str | None
    rule_id: str
    name: str | None = None
    site: str | None = None
    scope_status: str | None = None
    standard: str | None = None

    @property
    def says(self) -> str:
        """The rule in words."""
        return rule_says(self.rule_id)


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment of the statement; `paid_by` is `gateway` or another value of finance's view.

    An undo of a payment marked by mistake is a payment below zero that names the one it reverses; so is a refund or a
    lost dispute of a payment at the gateway, whose `reference` is then `refund` or `dispute`.
    """

    paid_by: str
    payment_id: str
    paid_on: date
    amount: Decimal
    recorded_by: str
    recorded_at: datetime
    reference: str | None
    reversed_at: datetime | None = None
    reverses_payment_id: str | None = None

    @property
    def is_undo(self) -> bool:
        """True if it reverses a payment that was marked by mistake."""
        return self.reverses_payment_id is not None and not self.is_refund

    @property
    def is_refund(self) -> bool:
        """True if the gateway gave back another payment, or a part of it."""
        return self.reverses_payment_id is not None and self.paid_by == "gateway"

    @property
    def is_sent_back(self) -> bool:
        """True if a credit was sent back by other means than the gateway."""
        return self.paid_by == "outside" and self.reverses_payment_id is None and self.amount < 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to charge the statement."""

    attempt_no: int
    trigger: str
    requested_by: str
    requested_at: datetime
    amount: Decimal
    outcome: str
    decline_code: str | None
    payment_method: str | None
    gateway_payment_id: str | None
    settled_at: datetime | None

    @property
    def trigger_label(self) -> str:
        """What started it, in words."""
        return trigger_label(self.trigger)

    @property
    def says(self) -> str:
        """Its outcome in one sentence."""
        return outcome_says(self.outcome, self.decline_code)


@dataclass(frozen=True, slots=True)
class RetryPlan:
    """When the statement is retried automatically; `planned_at` None: not, or not yet, for the reason in `detail`."""

    planned_at: datetime | None
    reason_id: str
    detail: str

    @property
    def says(self) -> str:
        """The plan in one or two sentences."""
        return plan_says(self.planned_at, self.reason_id, self.detail)


@dataclass(frozen=True, slots=True)
class CorrectedConnector:
    """One connector that a correction changes: the price billed before and now; None: not billed.

    `why` is the reason in words why it is no longer billed; None if it is.
    """

    charger_id: str
    connector_id: int
    power_type: str | None
    before: Decimal | None
    after: Decimal | None
    rule_id: str | None
    why: str | None
    name: str | None = None
    site: str | None = None

    @property
    def difference(self) -> Decimal:
        """The change of the net amount."""
        return (self.after or Decimal(0)) - (self.before or Decimal(0))


@dataclass(frozen=True, slots=True)
class Correction:
    """A correction of a connector statement, and the first of the connectors that it changes."""

    statement_id: str
    statement_date: date
    net: Decimal
    tax: Decimal
    total: Decimal
    reason: str | None
    line_count: int
    lines: tuple[CorrectedConnector, ...]


@dataclass(frozen=True, slots=True)
class ByHand:
    """Of a correction that is a credit or debit by hand: who carried it out, and what the customer reads, if any."""

    kind: str
    recorded_by: str
    requested_by: str | None
    customer_text: str | None


@dataclass(frozen=True, slots=True)
class StatementRef:
    """A reference to another statement."""

    statement_id: str
    statement_date: date


@dataclass(frozen=True, slots=True)
class Item:
    """One item of an account statement. `total` is what it adds to the balance; below zero for payments.

    `settled` is the part of a charge that was paid elsewhere before it was listed; it isn't in the balance.
    `description` is in English. `event` is the kind, or what is special: `undo`, `refund`, `dispute`, `credit`,
    `settled` (of a charge since it was listed), `write_off`, `unwritten` (a write-off undone), `sent_back`. `concerns`
    is the connector statement corrected or paid, `reference` that of a payment on `paid_on` by other means, or
    the charge settled.
    """

    kind: str
    item_id: str
    occurred_at: datetime
    description: str
    net: Decimal
    tax: Decimal
    total: Decimal
    settled: Decimal
    event: str
    concerns: str | None = None
    paid_on: date | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class ItemTotals:
    """The number and the totals of the items of one kind."""

    kind: str
    item_count: int
    net: Decimal
    tax: Decimal
    total: Decimal
    settled: Decimal

    @property
    def label(self) -> str:
        """What the items of the kind are called."""
        return item_label(self.kind)

    @property
    def moves(self) -> Decimal:
        """The change of the balance by the items of the kind."""
        return self.total - self.settled


@dataclass(frozen=True, slots=True)
class RunRecord:
    """The run that issued the statement, and how its validation went."""

    run_id: int
    dag_id: str
    airflow_run_id: str
    period: str
    state: str
    actor: str
    opened_at: datetime
    warnings: list[str]
    has_validation_page: bool
    expectation_count: int
    failed_critical: int
    failed_others: int


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """Something that was done, by whom and why."""

    occurred_at: datetime
    actor: str
    action: str
    reason: str


@dataclass(frozen=True, slots=True)
class StatementView:
    """Everything about one statement. Parts that its kind doesn't have are empty.

    `chargers`, `items` and `corrected` have the first; `charger_count`, `item_count` and `corrected_count` are the
    numbers in all. `is_archived`: the lines of its period have left the warehouse, so there are none here.
    `is_excluded_counted`: the excluded connectors were counted; if not, `excluded` is empty without meaning none.
    `due_here`: what of an account statement's balance comes from connector statements. `written_off`: what of a
    connector statement is. `by_hand`: of a correction that doesn't follow from inventory and settings. `change` and
    `sites`: why a connector statement differs from the one before, and where its connectors are; of very many,
    neither sites nor single connectors are read.
    """

    header: Header
    is_archived: bool
    chargers: tuple[ChargerLines, ...]
    charger_count: int
    excluded: tuple[ExcludedByRule, ...]
    is_excluded_counted: bool
    payments: tuple[Payment, ...]
    attempts: tuple[Attempt, ...]
    plan: RetryPlan | None
    corrections: tuple[Correction, ...]
    listed_on: tuple[StatementRef, ...]
    items: tuple[Item, ...]
    item_totals: tuple[ItemTotals, ...]
    original: StatementRef | None
    corrected: tuple[CorrectedConnector, ...]
    corrected_count: int
    run: RunRecord
    audit: tuple[AuditEvent, ...]
    due_here: Decimal = Decimal(0)
    written_off: Decimal = Decimal(0)
    by_hand: ByHand | None = None
    change: Change | None = None
    sites: tuple[SiteCount, ...] = ()

    @property
    def due_elsewhere(self) -> Decimal:
        """What of an account statement's balance comes from other charges, which we don't collect."""
        return self.header.total - self.due_here

    @property
    def has_all_chargers(self) -> bool:
        """True if `chargers` is the whole list."""
        return len(self.chargers) == self.charger_count

    @property
    def has_more_chargers_than_counted(self) -> bool:
        """True if there are more chargers than `MOST_COUNTED`."""
        return self.charger_count > MOST_COUNTED

    @property
    def item_count(self) -> int:
        """Items of the account statement."""
        return sum(totals.item_count for totals in self.item_totals)

    @property
    def excluded_count(self) -> int:
        """Connectors of the account that aren't billed."""
        return sum(rule.connector_count for rule in self.excluded)

    @property
    def corrected_total(self) -> Decimal:
        """The change of the balance by corrections."""
        return sum((c.total for c in self.corrections), Decimal(0))

    @property
    def opening(self) -> Decimal:
        """The balance before the items of the account statement; zero for its account's first."""
        return sum((t.moves for t in self.item_totals if t.kind == "opening_balance"), Decimal(0))

    @property
    def reason(self) -> str | None:
        """Why a correction was issued, as kept in the audit."""
        return next((e.reason for e in self.audit if e.action == "issue_correction"), None)
