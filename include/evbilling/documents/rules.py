"""The scope rules in words for customers: their codes, and how they are computed, are for finance. Pure."""

from __future__ import annotations

from evbilling.languages import Words, to_translate

# Finance's words for the same are in `scope/rules.py`.
RULES_FOR_CUSTOMERS = {
    "STATION-ITSELF": to_translate("The charging station itself, which isn't a connector"),
    "NOT-IN-SERVICE": to_translate("Not in service: planned or removed"),
    "SCOPE-CLOSED": to_translate("Closed chargers, which aren't billed to you"),
    "SCOPE-PRIVATE": to_translate("Private chargers, which aren't billed to you"),
    "FEE-ZERO": to_translate("Free of charge"),
    "BILLED-ELSEWHERE": to_translate("The charger changed its account; the other account is billed for this month"),
}
_OTHER = to_translate("Not billed for another reason")


def rule_says(rule_id: str, words: Words) -> str:
    """Why a connector isn't billed, for its customer; in general words if the rule no longer exists."""
    return words.gettext(RULES_FOR_CUSTOMERS.get(rule_id, _OTHER))
