"""The reference of what may become of a payment, made from the tables that decide it."""

from __future__ import annotations

from collections.abc import Iterable

from evbilling.payments.actions.wording import CHARGE_REFUSALS
from evbilling.payments.reconciliation import WHAT_TO_DO
from evbilling.payments.retries import planner
from evbilling.payments.retries.declines import DECLINES

PLAN_REASONS: dict[str, str] = {
    "TO-BE-PLANNED": "it has just failed, or a correction has left a balance; the next retries plan it",
    planner.FIRST_TRY: "it was never tried; at the next occasion",
    planner.RETRY: "the last decline may pass by itself: after a gap that grows from try to try, spread over a day",
    planner.METHOD_CHANGED: "the payment method is another one than at the last decline: at the next occasion",
    planner.CAPPED: "it was tried as often as is allowed in 30 days; once the oldest try is that old",
    planner.NO_METHOD: "no payment method is stored; none until there is one",
    planner.HARD_DECLINE: "it was declined for good; none until the payment method changes",
    planner.NEEDS_CUSTOMER: "the customer has to act first; none until the payment method changes, or by Re-Bill",
    planner.UNKNOWN_DECLINE: "it was declined for reasons that nobody tells, more than once; none, or by Re-Bill",
    planner.GIVEN_UP: "it was tried as often as makes sense; none, or by Re-Bill",
}


def payments_reference() -> str:
    """Markdown: why a statement is tried when, why it isn't charged, every decline code, every kind of break."""
    out = [
        "## When a failed statement is tried again by itself",
        "",
        "`finance.payment_plans.reason_id`. The month's end tries whatever still has a try before it, and waits for no",
        "gap.",
        "",
        *_rows(PLAN_REASONS.items()),
        "",
        "## Why a statement isn't charged",
        "",
        "What Re-Bill answers, and what the logs of retries count.",
        "",
        *_rows(CHARGE_REFUSALS.items()),
        "",
        "## Decline codes",
        "",
        "By class (`finance.payment_attempts.decline_class`): `hard`, not with this payment method; `soft`, again",
        "by itself; `needs_customer`, once somebody has acted; `unknown`, twice at most. What the card network advises",
        "goes before the code. A code that isn't here is `unknown`. The sentence is what a financial admin reads.",
        "",
        "| code | class | what the financial admin reads |",
        "| --- | --- | --- |",
        *(f"| `{d.code}` | {d.decline_class} | {d.explanation} |" for d in DECLINES),
        "",
        "## Breaks between the gateway and our record",
        "",
        "`finance.payment_breaks.kind`; nothing is booked by itself.",
        "",
        *_rows(WHAT_TO_DO.items()),
    ]
    return "\n".join(out) + "\n"


def _rows(pairs: Iterable[tuple[str, str]]) -> list[str]:
    return ["| id | meaning |", "| --- | --- |", *(f"| `{name}` | {meaning} |" for name, meaning in pairs)]
