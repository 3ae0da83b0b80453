"""A posting of the ledger, as a journal has it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from evbilling.money import from_minor

# What each kind of posting is called in a journal.
KIND_WORDS = {
    "issue": "Statement",
    "tax": "Tax of statement",
    "payment": "Payment",
    "paid_outside": "Paid by other means",
    "paid_outside_reversal": "Paid by other means, undone",
    "refund": "Refund",
    "refund_outside": "Credit sent back",
    "goodwill": "Goodwill",
    "write_off": "Write-off",
    "undo_write_off": "Write-off, undone",
    "correction": "Correction",
    "correction_tax": "Tax of correction",
}


@dataclass(frozen=True, slots=True)
class Posting:
    """An amount above zero, in minor units of `currency`, moved from `credit_account` to `debit_account`.

    `booked_on` is the day in the time zone of the books; `document_id` the statement or correction; `tax_rate` a
    fraction; `payment_id` and `reference` only those of payments.
    """

    transfer_id: int
    booked_on: date
    kind: str
    statement_id: str
    document_id: str
    account_id: str
    account_name: str | None
    period: str
    debit_account: str
    credit_account: str
    currency: str
    minor_unit: int
    amount_minor: int
    tax_rate: Decimal
    payment_id: str | None
    reference: str | None

    @property
    def amount(self) -> Decimal:
        """The amount in major units, with the currency's decimals."""
        return from_minor(self.amount_minor, self.minor_unit)

    @property
    def words(self) -> str:
        """The kind and the document: `Payment A-202611-000042`."""
        return f"{KIND_WORDS.get(self.kind, self.kind)} {self.document_id}"
