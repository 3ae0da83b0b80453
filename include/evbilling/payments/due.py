"""Why something is due on a connector statement, and who has to act. Pure: the one list of reasons and their words.

The view `billing.due` picks the reason, `billing.due_reason` has the same words for finance; a test compares them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from evbilling.payments.retries import planner

TO_BE_PLANNED = "TO-BE-PLANNED"
UNDER_WAY = "UNDER-WAY"
OUTCOME_UNKNOWN = "OUTCOME-UNKNOWN"
NOT_ACCEPTED = "NOT-ACCEPTED"
ON_HOLD = "ON-HOLD"


class WhoActs(StrEnum):
    """Who has to act before a statement is paid; `NOBODY`: it goes on by itself."""

    US = "us"
    CUSTOMER = "customer"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class DueReason:
    """A reason: its stable id, who has to act, and the words."""

    id: str
    who_acts: WhoActs
    words: str


_US, _CUSTOMER, _NOBODY = WhoActs.US, WhoActs.CUSTOMER, WhoActs.NOBODY

# In the order of pages and docs: first what needs us.
DUE_REASONS: tuple[DueReason, ...] = (
    DueReason(
        planner.UNACCOUNTED_PAYMENT, _US, "The gateway has collected a payment that isn't recorded; nothing is charged"
    ),
    DueReason(ON_HOLD, _US, "Charging is on hold since the warehouse was restored from a backup"),
    DueReason(NOT_ACCEPTED, _US, "The gateway refused our request, which isn't the customer's fault"),
    DueReason(planner.PAYER_UNCLEAR, _US, "The financial admin isn't clearly a user of the account"),
    DueReason(planner.GIVEN_UP, _US, "Declined as often as it is tried automatically"),
    DueReason(planner.UNKNOWN_DECLINE, _US, "Declined more than once for a reason that isn't given"),
    DueReason(planner.NO_METHOD, _CUSTOMER, "No payment method is stored"),
    DueReason(planner.HARD_DECLINE, _CUSTOMER, "Declined for good: only another payment method helps"),
    DueReason(planner.NEEDS_CUSTOMER, _CUSTOMER, "Declined until the customer acts"),
    DueReason(planner.RETRY, _NOBODY, "Declined, and tried again automatically"),
    DueReason(planner.CAPPED, _NOBODY, "Tried as often as is allowed in 30 days"),
    DueReason(planner.METHOD_CHANGED, _NOBODY, "The payment method has changed since the last decline"),
    DueReason(TO_BE_PLANNED, _NOBODY, "Its next try is still to be planned"),
    DueReason(OUTCOME_UNKNOWN, _NOBODY, "Waiting for the gateway's answer to a charge"),
    DueReason(UNDER_WAY, _NOBODY, "A charge is under way"),
    DueReason(planner.FIRST_TRY, _NOBODY, "Never declined: charged at the next opportunity"),
)
BY_ID = {reason.id: reason for reason in DUE_REASONS}
