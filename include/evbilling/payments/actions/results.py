"""The result of an action on one statement: a code for what was done or why not, and the facts to word it. Pure.

Tasks return these rows as JSON and pages read them back. Decisions go by the code; `wording` puts a row into words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from evbilling.errors import BadInput


class Action(StrEnum):
    """What an operator may do with a statement; the value is the id of the DAG that does it."""

    REBILL = "rebill"
    MARK_AS_PAID = "mark_as_paid"
    UNDO_MARK_AS_PAID = "undo_mark_as_paid"
    ACKNOWLEDGE_REFUND = "acknowledge_refund"
    CORRECT = "correct_statements"
    ADJUST = "adjust_statement"
    WRITE_OFF = "write_off"
    REFUND_PAYMENT = "refund_payment"
    REFUND_OUTSIDE = "refund_outside"
    SEND_MAIL = "mail_delivery"


class Code(StrEnum):
    """What became of a statement. The values are stable: they are kept in XCom and in `docs/rules.md`."""

    # Done now, or earlier by this same request; TO_…: a dry run, or a request that is still to be carried out.
    TO_CHARGE = "to_charge"
    CHARGED = "charged"
    MARKED = "marked"
    MARKED_BEFORE = "marked_before"
    UNDONE = "undone"
    UNDONE_BEFORE = "undone_before"
    ACKNOWLEDGED = "acknowledged"
    ACKNOWLEDGED_BEFORE = "acknowledged_before"
    TO_CORRECT = "to_correct"
    CORRECTED = "corrected"
    ADJUSTED = "adjusted"
    ADJUSTED_BEFORE = "adjusted_before"
    SECOND_PERSON = "second_person"
    REFUNDED = "refunded"
    TO_SEND = "to_send"
    TO_SEND_AGAIN = "to_send_again"
    REQUESTED_BEFORE = "requested_before"
    # Tried, and not collected.
    DECLINED = "declined"
    NOT_ACCEPTED = "not_accepted"
    OUTCOME_UNKNOWN = "outcome_unknown"
    CHARGE_PENDING = "charge_pending"
    # Refused; the first eleven are what billing.open_attempts gives.
    UNKNOWN = "unknown"
    NOT_COLLECTABLE = "not_collectable"
    REPEATED = "repeated"
    OPEN_ATTEMPT = "open_attempt"
    PAID = "paid"
    WRITTEN_OFF = "written_off"
    UNACCOUNTED_PAYMENT = "unaccounted_payment"
    LOST_PAYMENT = "lost_payment"
    TOO_SMALL = "too_small"
    CAPPED = "capped"
    HARD_DECLINE = "hard_decline"
    NO_METHOD = "no_method"
    ON_HOLD = "on_hold"
    PAYER_UNCLEAR = "payer_unclear"
    REQUEST_BEGUN = "request_begun"
    CURRENCY_NOT_CHARGEABLE = "currency_not_chargeable"
    SUMS_UP = "sums_up"
    CORRECTION_NOT_PAID = "correction_not_paid"
    NOT_MARKED = "not_marked"
    NOT_GIVEN_BACK = "not_given_back"
    NO_CREDIT = "no_credit"
    NOT_COLLECTED = "not_collected"
    NOT_POSSIBLE = "not_possible"
    NOT_CORRECTED = "not_corrected"
    AS_ISSUED = "as_issued"
    ACCOUNT_ON_HOLD = "account_on_hold"
    NO_HISTORY = "no_history"
    OTHER_PERIOD = "other_period"
    MAIL_WAITS = "mail_waits"
    MAIL_BUSY = "mail_busy"
    NO_MESSAGE = "no_message"
    NO_ADDRESS = "no_address"


_SUCCESSES = frozenset({
    Code.TO_CHARGE,
    Code.CHARGED,
    Code.MARKED,
    Code.MARKED_BEFORE,
    Code.UNDONE,
    Code.UNDONE_BEFORE,
    Code.ACKNOWLEDGED,
    Code.ACKNOWLEDGED_BEFORE,
    Code.TO_CORRECT,
    Code.CORRECTED,
    Code.ADJUSTED,
    Code.ADJUSTED_BEFORE,
    Code.SECOND_PERSON,
    Code.REFUNDED,
    Code.TO_SEND,
    Code.TO_SEND_AGAIN,
    Code.REQUESTED_BEFORE,
})
_NOT_COLLECTED = frozenset({Code.DECLINED, Code.NOT_ACCEPTED, Code.OUTCOME_UNKNOWN, Code.CHARGE_PENDING})


@dataclass(frozen=True, slots=True)
class ActionResult:
    """One statement of a request: what was done, or in a dry run would be, or why not. Amounts in major units.

    `amount` is what is charged, booked or taken back; `balance_due` what is due afterwards. `payer` is the financial
    admin's user id for a charge, the masked address for a message. `detail` words the code more precisely, for people
    only. `payment_method`, the gateway's id of it, is for the page of a dry run: neither logs nor XCom have it.
    """

    action: Action
    statement_id: str
    code: Code
    amount: Decimal | None = None
    currency: str | None = None
    balance_due: Decimal | None = None
    payer: str | None = None
    payment_method: str | None = None
    decline_code: str | None = None
    payment_id: str | None = None
    paid_on: date | None = None
    reference: str | None = None
    mail_kind: str | None = None
    detail: str | None = None

    @property
    def is_done(self) -> bool:
        """True if the request was met; in a dry run, if it would be carried out."""
        return self.code in _SUCCESSES

    @property
    def is_refused(self) -> bool:
        """True if nothing was tried, or in a dry run would be."""
        return not self.is_done and self.code not in _NOT_COLLECTED

    def as_json(self) -> dict[str, str]:
        """The row as texts by field, without the empty ones and the payment method; `from_json` reads it back."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "payment_method"}
        return {name: str(value) for name, value in values.items() if value is not None}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> ActionResult:
        """The row that `as_json` gave. Raises `KeyError`, `TypeError` or `ValueError` for anything else."""
        read = {
            "action": Action,
            "code": Code,
            "amount": Decimal,
            "balance_due": Decimal,
            "paid_on": date.fromisoformat,
        }
        return cls(**{name: read.get(name, str)(value) for name, value in row.items()})  # type: ignore[operator]


def not_possible(action: Action, statement_id: str, payment_id: str, error: BadInput) -> ActionResult:
    """The row of a dry run that the warehouse refused; payment id empty: none was named."""
    return ActionResult(action, statement_id, Code.NOT_POSSIBLE, payment_id=payment_id or None, detail=error.what)
