"""What all actions share: what is asked for, the dry run that a person decides on, and what came in by its form."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from evbilling.errors import BadInput
from evbilling.payments.actions import ActionResult, OutsidePayment, refusal, total_by_currency
from evbilling.read_models.statement_list import CurrentStatement
from evbilling_airflow.actions import OperatorAction
from evbilling_web.rights import Right

STATEMENT_ID = re.compile(r"[ASC]-[0-9]{6}-[0-9]{6,18}")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked about: statements, each once, in order; maybe a payment of one, or a kind of message."""

    statement_ids: tuple[str, ...]
    payment_id: str | None = None
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """What would be done to one statement; or why nothing, in `refused`. Amounts in major units of `currency`.

    `now` is None for a statement that doesn't exist. `payer` and `method`: who is charged on what, as far as known;
    `payment`: what would be taken back. `letter`: what would be sent to `payer`; `is_copy`: not for the first time.
    """

    statement_id: str
    now: CurrentStatement | None = None
    amount: Decimal | None = None
    currency: str | None = None
    status_then: str | None = None
    refused: str | None = None
    payer: str | None = None
    method: str | None = None
    payment: OutsidePayment | None = None
    letter: str | None = None
    is_copy: bool = False


@dataclass(frozen=True, slots=True)
class Proposal:
    """A dry run: a row for each statement that was asked about, in that order."""

    rows: tuple[Row, ...]

    @property
    def able(self) -> list[Row]:
        """The rows with which something would be done."""
        return [row for row in self.rows if row.refused is None]

    @property
    def refused(self) -> list[Row]:
        """The rows with which nothing can be done."""
        return [row for row in self.rows if row.refused is not None]

    @property
    def statement_ids(self) -> list[str]:
        """The statements with which something would be done, each once."""
        return list(dict.fromkeys(row.statement_id for row in self.able))

    @property
    def totals(self) -> dict[str, Decimal]:
        """What would be moved in all, by currency."""
        return total_by_currency(
            (row.amount, row.currency) for row in self.able if row.amount is not None and row.currency is not None
        )

    @property
    def seen(self) -> str:
        """What changes if anything changes that a person has decided on: statements, amounts, who pays on what."""
        facts = [
            (
                row.statement_id,
                str(row.amount),
                row.currency,
                row.payer,
                row.method,
                row.payment and row.payment.payment_id,
                row.letter,
                row.is_copy,
            )
            for row in self.able
        ]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


@dataclass(slots=True)
class Form:
    """The fields as they came in, and what is wrong with them, by name; nothing that was typed is lost."""

    values: Mapping[str, str]
    errors: dict[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str:
        """A field's text without blanks around it; empty if it didn't come."""
        return self.values.get(name, "").replace("\r\n", "\n").strip()

    def text(self, name: str, *, most: int, missing: str) -> str:
        """A text that must be there, and what is wrong with it noted."""
        given = self.get(name)
        if not given:
            self.errors[name] = missing
        elif len(given) > most:
            self.errors[name] = f"This is {len(given)} characters long; keep it to {most}."
        elif any(_is_control(letter) for letter in given):
            self.errors[name] = "There were characters in it that can't be kept; this is without them."
            self.values = {**self.values, name: "".join(letter for letter in given if not _is_control(letter))}
        return given


@dataclass(frozen=True, slots=True)
class Act:
    """The page of an action at /actions/{name}.

    `propose` is the dry run and may take its time; `defaults` are the fields' first values; `read` makes the DAG's
    Params of a form, and notes what is wrong with it.
    """

    action: OperatorAction
    template: str
    propose: Callable[[Asked], Proposal]
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
        return Right(self.action.dag_id)

    @property
    def most(self) -> int:
        """With how many statements it can be done at once."""
        return self.action.most


def asked(act: Act, statement_ids: Iterable[str], payment_id: str | None = None, kind: str | None = None) -> Asked:
    """What is asked for; raises `BadInput` if that is nothing, or too much for one look."""
    ids = tuple(dict.fromkeys(statement_ids))
    if not ids:
        raise BadInput("No statement is named.", fix="Choose one or several in the list of statements.")
    if len(ids) > act.most:
        most = "one statement" if act.most == 1 else f"{act.most} statements"
        raise BadInput(
            f"{act.words} takes {most} at a time, and {len(ids):,} are chosen.",
            fix="Choose fewer, and do the rest after them.",
        )
    return Asked(ids, payment_id or None, kind or None)


def are_ids(statement_ids: Iterable[str]) -> list[str]:
    """Those of the given texts that have the form of a statement's id."""
    return [text for text in statement_ids if STATEMENT_ID.fullmatch(text)]


def no_id(text: str) -> Row:
    """The row of what isn't an id at all."""
    return Row(text[:100], refused="this isn't the id of a statement")


def why_refused(result: ActionResult) -> str | None:
    """Why nothing would be done; None if something would be."""
    return refusal(result.code, result.detail) if result.is_refused else None


def reason(form: Form) -> str:
    """The reason that every action asks for."""
    return form.text("reason", most=500, missing="Say why, in a few words: it is kept in the audit.")


def _is_control(letter: str) -> bool:
    return (letter < " " and letter not in "\n\t") or letter == "\x7f" or "\ud800" <= letter <= "\udfff"
