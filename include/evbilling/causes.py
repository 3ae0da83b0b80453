"""Why an account's total differs from the month before: the causes of a plan's change, in the order in which they add.

docs/rules.md is made from here; `billing.make_plan` in sql/functions/plans/ computes them. Ids are stable: finance
filters by them.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Cause:
    """A cause: its id, its name on pages, and what it covers."""

    id: str
    label: str
    meaning: str


CAUSES = (
    Cause("CORRECTION", "Corrections", "The month before was corrected after it was issued"),
    Cause("REMOVED", "Removed", "A connector was billed, and no account that isn't on hold has it any more"),
    Cause("MOVED", "Moved between accounts", "A connector went to another account, or came from one"),
    Cause("IN-SERVICE", "In service or not", "A connector is planned or removed and was in service, or the reverse"),
    Cause(
        "SCOPE-STATUS", "Scope status", "A charger is closed or private now, which the account excludes, or the reverse"
    ),
    Cause("SETTINGS", "Settings", "The account excludes closed or private chargers and did not, or the reverse"),
    Cause("POWER-TYPE", "AC or DC", "A connector is of the other power type, so another fee applies"),
    Cause("NEW", "New", "A connector is billed that no account had that wasn't on hold"),
    Cause("FEE", "Fee", "The account's fees are other ones, or come to nothing and did not"),
    Cause("TAX", "Tax", "The account's tax rate is another one"),
    Cause("CURRENCY", "Currency", "All of an account that is billed in another currency"),
    Cause("ON-HOLD", "On hold", "All of an account that is on hold because of a fault, or was in the month before"),
    Cause("FORGIVEN", "Forgiven", "All of an account whose month is forgiven, or was in the month before"),
    Cause("FIRST-BILLED", "First billed", "All of an account that wasn't billed per connector in the month before"),
    Cause("NO-LONGER-BILLED", "No longer billed", "All of an account that isn't billed per connector any more"),
    Cause("NOT-COMPARED", "Not compared", "All of an account, if there is no month before to compare with"),
)

_ORDER = {cause.id: place for place, cause in enumerate(CAUSES)}
_LABELS = {cause.id: cause.label for cause in CAUSES}


@dataclass(frozen=True, slots=True)
class CauseFigure:
    """How much one cause changes an account, or all accounts (`accounts`) of a currency."""

    cause: str
    connectors: int
    amount: Decimal
    accounts: int = 1

    @property
    def label(self) -> str:
        """The cause as pages name it."""
        return _LABELS.get(self.cause, self.cause)

    @property
    def place(self) -> int:
        """Its place in the order in which the causes add."""
        return _ORDER.get(self.cause, len(_ORDER))
