"""Why a statement isn't charged, as people read it. Pure."""

from __future__ import annotations

# By the ids that billing.open_attempts gives.
REFUSALS: dict[str, str] = {
    "unknown": "there is no such statement",
    "not_collectable": "it is no connector statement: collect the connector statements that it lists",
    "repeated": "it was tried on this occasion already",
    "open_attempt": "a charge is under way, or its outcome isn't known yet; payment_reconciliation asks the gateway",
    "paid": "it is paid: nothing is due",
    "too_small": "what is due is less than the gateway can charge; mark it as paid by other means",
    "capped": "it was tried as often as is allowed in 30 days",
    "hard_decline": "the last charge was declined for good, and the payment method is still the same",
}
