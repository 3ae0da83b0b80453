"""The view model that all actions share: the selected statements, the dry run, and the submitted form."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from evbilling.errors import BadInput
from evbilling.payments.actions import (
    ActionResult,
    MethodTries,
    OutsidePayment,
    ReturnedPayment,
    WaitingAdjustment,
    refusal,
    status_if_undone,
    total_by_currency,
)
from evbilling.read_models.preview import CorrectionPreview
from evbilling.read_models.statement_list import CurrentStatement, read_current
from evbilling.typed_text import fault_in, is_control
from evbilling_airflow.actions import OperatorAction
from evbilling_airflow.defaults import DAY_FORM
from evbilling_web import warehouse
from evbilling_web.rights import Right, right_to

STATEMENT_ID = re.compile(r"[ASC]-[0-9]{6}-[0-9]{6,18}")
_NO_ID = "this isn't a statement ID"


@dataclass(frozen=True, slots=True)
class Selection:
    """The selected statements, each once, in order; optionally a payment of one of them, or a kind of message."""

    statement_ids: tuple[str, ...]
    payment_id: str | None = None
    kind: str | None = None

    @property
    def valid_ids(self) -> tuple[str, ...]:
        """The selected texts that have the form of a statement id."""
        return tuple(text for text in self.statement_ids if STATEMENT_ID.fullmatch(text))


@dataclass(frozen=True, slots=True)
class Row:
    """What would be done to one statement, or in `refused` why nothing. Amounts in major units of `currency`.

    `now` is None for a statement that doesn't exist. `payer` and `method`: who is charged, and the payment method, if
    known; `payment`: the payment that would be undone. `collected`: the id and amount of a payment that the gateway has
    collected and that isn't recorded. `returned`: the one whose refund would be booked. `letter`: the message to
    `payer`; `is_copy`: sent before. `tries`: what happened to `method` in the last day; `next_try`: the automatic one.
    `preview`: what a correction is drawn from. `waiting`: adjustments that wait for a second person; `is_undo`: a
    write-off is undone; `charged`: the payment at the gateway that can be refunded.
    """

    statement_id: str
    now: CurrentStatement | None = None
    amount: Decimal | None = None
    currency: str | None = None
    status_then: str | None = None
    refused: str | None = None
    payer: str | None = None
    method: str | None = None
    tries: MethodTries | None = None
    next_try: datetime | None = None
    payment: OutsidePayment | None = None
    collected: tuple[str, Decimal] | None = None
    returned: ReturnedPayment | None = None
    letter: str | None = None
    is_copy: bool = False
    preview: CorrectionPreview | None = None
    waiting: tuple[WaitingAdjustment, ...] = ()
    is_undo: bool = False
    charged: str | None = None

    @classmethod
    def of(cls, result: ActionResult, now: CurrentStatement | None, status_then: str | None = None, **more: Any) -> Row:
        """The row of a dry run's result, with `more` fields that only some actions have."""
        refused = refusal(result.code, result.detail) if result.is_refused else None
        return cls(
            result.statement_id,
            now,
            result.amount,
            result.currency,
            status_then,
            refused and without_id(refused, result.statement_id),
            **more,
        )

    @classmethod
    def of_due_again(cls, result: ActionResult, now: CurrentStatement | None, **more: Any) -> Row:
        """The same of a payment that goes back, with the status that its statement has then."""
        then = None
        if now and now.balance is not None and now.paid is not None and result.amount is not None:
            then = status_if_undone(now.balance, now.paid, result.amount, has_failed=now.has_failed) or now.status
        return cls.of(result, now, then, **more)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A dry run: a row for each selected statement, in order."""

    rows: tuple[Row, ...]

    @classmethod
    def of(
        cls,
        selection: Selection,
        results: Iterable[ActionResult],
        row: Callable[[ActionResult, CurrentStatement | None], Row],
    ) -> Proposal:
        """The proposal with a `row` for each result and its statement; a text that isn't an id is refused."""
        by_id = {result.statement_id: result for result in results}
        with warehouse.reading() as connection:
            now = read_current(connection, selection.valid_ids)
        return cls(
            tuple(
                row(by_id[text], now.get(text)) if text in by_id else Row(text[:100], refused=_NO_ID)
                for text in selection.statement_ids
            )
        )

    @property
    def able(self) -> list[Row]:
        """The rows for which something would be done."""
        return [row for row in self.rows if row.refused is None]

    @property
    def refused(self) -> list[Row]:
        """The rows for which nothing can be done."""
        return [row for row in self.rows if row.refused is not None]

    @property
    def statement_ids(self) -> list[str]:
        """The statements for which something would be done, each once."""
        return list(dict.fromkeys(row.statement_id for row in self.able))

    @property
    def totals(self) -> dict[str, Decimal]:
        """The total amounts by currency."""
        return total_by_currency(
            (row.amount, row.currency) for row in self.able if row.amount is not None and row.currency is not None
        )

    @property
    def seen(self) -> str:
        """A hash of everything that the user decides on: statements, amounts, payers and payment methods."""
        facts = [
            (
                row.statement_id,
                str(row.amount),
                row.currency,
                row.payer,
                row.method,
                row.payment and row.payment.payment_id,
                row.collected and row.collected[0],
                row.returned and row.returned.payment_id,
                row.letter,
                row.is_copy,
                [asked.number for asked in row.waiting],
                row.is_undo,
                row.charged,
            )
            for row in self.able
        ]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


@dataclass(slots=True)
class Form:
    """The submitted fields and their errors, by name; nothing typed is lost."""

    values: Mapping[str, str]
    errors: dict[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str:
        """A field's text without surrounding blanks; empty if it is missing."""
        return self.values.get(name, "").replace("\r\n", "\n").strip()

    def text(self, name: str, *, most: int, missing: str) -> str:
        """A required text; errors are noted."""
        given = self.get(name)
        if not given:
            self.errors[name] = missing
        elif len(given) > most:
            self.errors[name] = f"This text has {len(given)} characters; the limit is {most}."
        elif any(map(is_control, given)):
            self.errors[name] = "Control characters were removed. Check the text and send it again."
            self.values = {**self.values, name: "".join(letter for letter in given if not is_control(letter))}
        elif fault := fault_in(given):
            self.errors[name] = f"This text {fault}. Take it out and send the form again."
        return given

    def day(self, name: str) -> date | None:
        """A required day; errors are noted."""
        try:
            # Python also reads weeks (2026-W45-4) and days without dashes.
            return date.fromisoformat(self.get(name) if re.fullmatch(DAY_FORM, self.get(name)) else "")
        except ValueError:
            self.errors[name] = "Give the date as YYYY-MM-DD."
            return None

    def reason(self) -> str:
        """The reason, which every action requires."""
        return self.text("reason", most=500, missing="Give a reason; it is recorded in the audit log.")


@dataclass(frozen=True, slots=True)
class ActionPage:
    """The page of an action at /actions/{name}.

    `propose` is the dry run and may take a while; `defaults` gives the initial values of the fields; `read` turns the
    form into the DAG's Params and notes errors in it.
    """

    action: OperatorAction
    template: str
    propose: Callable[[Selection], Proposal]
    read: Callable[[Form, Proposal], dict[str, Any]]
    defaults: Callable[[Proposal], dict[str, str]] = lambda _: {}

    @property
    def name(self) -> str:
        return self.action.page

    @property
    def words(self) -> str:
        return self.action.label

    @property
    def right(self) -> Right:
        return right_to(self.action)

    @property
    def most(self) -> int:
        """The limit of statements at a time."""
        return self.action.most


def select(
    page: ActionPage, statement_ids: Iterable[str], payment_id: str | None = None, kind: str | None = None
) -> Selection:
    """The selection; raises `BadInput` if it is empty or too large."""
    ids = tuple(dict.fromkeys(statement_ids))
    if not ids:
        raise BadInput("No statement is selected.", fix="Select one or more in the list of statements.")
    if len(ids) > page.most:
        most = "one statement" if page.most == 1 else f"{page.most} statements"
        raise BadInput(
            f"{page.words} takes {most} at a time; {len(ids):,} are selected.",
            fix="Select fewer and repeat for the rest.",
        )
    return Selection(ids, payment_id or None, kind or None)


def without_id(words: str, statement_id: str) -> str:
    """`words` about a statement whose id is shown beside them: the warehouse's refusals repeat it."""
    return words.replace(f"statement {statement_id}", "such statement").replace(statement_id, "it")
