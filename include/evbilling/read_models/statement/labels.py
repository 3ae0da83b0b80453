"""The codes of a statement in the words of finance and account managers. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from evbilling.languages import to_translate
from evbilling.payments.retries.declines import explain

ITEM_LABELS = {
    "opening_balance": to_translate("Opening balance"),
    "connector_statement": to_translate("Connector statements"),
    "correction": to_translate("Corrections"),
    "charge": to_translate("Other charges"),
    "payment": to_translate("Payments"),
    "paid_outside": to_translate("Paid by other means"),
}

TRIGGER_LABELS = {
    "issue": "Charge on issue",
    "month_end": "Month-end retry",
    "planned": "Planned retry",
    "rebill": "Re-Bill",
}

_OUTCOMES = {
    "pending": "The charge is under way.",
    "succeeded": "The charge succeeded.",
    "refused": "The gateway refused our request, which isn't the customer's fault; the statement is tried again.",
    "unknown": "The gateway hasn't reported the outcome yet; it is asked every day, and nothing is charged until then.",
}


# Why a connector is billed now, and why it no longer is, by the id of the cause.
_NEW = {
    "MOVED": to_translate("Came from another account"),
    "IN-SERVICE": to_translate("In service now"),
    "SCOPE-STATUS": to_translate("The charger is no longer closed or private"),
    "SETTINGS": to_translate("Such chargers are no longer excluded"),
    "POWER-TYPE": to_translate("Another power type"),
    "NEW": to_translate("New"),
}
_GONE = {
    "REMOVED": to_translate("Removed"),
    "MOVED": to_translate("Went to another account"),
    "IN-SERVICE": to_translate("Planned or removed now"),
    "SCOPE-STATUS": to_translate("The charger is closed or private now"),
    "SETTINGS": to_translate("Such chargers are excluded now"),
}


def change_says(cause: str, *, is_billed: bool) -> str:
    """Why a connector is billed now, or no longer, in a few words."""
    return (_NEW if is_billed else _GONE).get(cause, cause)


def item_label(kind: str) -> str:
    """What the items of an account statement of one kind are called."""
    return ITEM_LABELS.get(kind, kind.replace("_", " ").capitalize())


def trigger_label(trigger: str) -> str:
    """What started a payment attempt."""
    return TRIGGER_LABELS.get(trigger, trigger.replace("_", " ").capitalize())


def outcome_says(outcome: str, decline_code: str | None) -> str:
    """The outcome of a payment attempt in one sentence; for a decline, why and what to do."""
    return explain(decline_code) if outcome == "declined" else _OUTCOMES.get(outcome, outcome)


def plan_says(planned_at: datetime | None, reason_id: str, detail: str) -> str:
    """When a failed statement is retried automatically, or why it isn't, in one or two sentences."""
    because = detail.rstrip(".")
    if reason_id == "TO-BE-PLANNED":
        return f"The next automatic retry is still to be scheduled: {because}."
    if planned_at is None:
        return f"No automatic retry: {because}."
    at = planned_at.astimezone(UTC)
    # The planner's detail ends with the time as well.
    for ending in ("next try from", "not before"):
        because = because.removesuffix(f": {ending} {at:%Y-%m-%d %H:%M} UTC")
    scheduled = f"Automatic retry scheduled for {at.day} {at:%b %Y, %H:%M} UTC."
    return f"{scheduled} {because[:1].upper()}{because[1:]}."


def rule_says(rule_id: str) -> str:
    """A scope rule in its own words; the id if the rule no longer exists."""
    # It imports pandas, which a statement without exclusions doesn't need.
    from evbilling.scope import RULE_REASONS

    return RULE_REASONS.get(rule_id, rule_id)
