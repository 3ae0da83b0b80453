"""Scope rules and causes of a change in words for customers: codes, and how they follow, are for finance. Pure."""

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
# Finance's words for the same are in `causes.py`.
_CAUSES_FOR_CUSTOMERS = {
    "CORRECTION": to_translate("Corrections of the earlier statement"),
    "REMOVED": to_translate("Removed"),
    "MOVED": to_translate("Came from another account, or went to one"),
    "IN-SERVICE": to_translate("Put into service, or taken out of it"),
    "SCOPE-STATUS": to_translate("Chargers that became closed or private, or no longer are"),
    "SETTINGS": to_translate("Closed or private chargers, which are excluded now or no longer are"),
    "POWER-TYPE": to_translate("Another power type"),
    "NEW": to_translate("New"),
    "FEE": to_translate("Monthly fee"),
    "TAX": to_translate("Tax"),
}
_OTHER_CAUSE = to_translate("Other changes")
_OTHER = to_translate("Not billed for another reason")


def rule_says(rule_id: str, words: Words) -> str:
    """Why a connector isn't billed, for its customer; in general words if the rule no longer exists."""
    return words.gettext(RULES_FOR_CUSTOMERS.get(rule_id, _OTHER))


def cause_says(cause: str, words: Words) -> str:
    """Why a statement differs from the one before, for its customer."""
    return words.gettext(_CAUSES_FOR_CUSTOMERS.get(cause, _OTHER_CAUSE))
