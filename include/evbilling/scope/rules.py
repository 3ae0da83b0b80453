"""The scope rules, in order: each connector is excluded by the first that applies, or billed.

A rule gets a frame with a row per connector: connector_id, power_type, status, scope_status, and of its account
exclude_closed, exclude_private and is_free. Ids are stable: finance filters by them. docs/rules.md is made from here.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

Predicate = Callable[[pd.DataFrame], "pd.Series[bool]"]


@dataclass(frozen=True, slots=True)
class Rule:
    """Excludes the connectors for which `applies` holds."""

    rule_id: str
    reason: str
    applies: Predicate


RULES: tuple[Rule, ...] = (
    Rule("STATION-ITSELF", "Connector 0 stands for the station itself", lambda c: c["connector_id"] == 0),
    Rule("NOT-IN-SERVICE", "The connector is planned or removed", lambda c: c["status"] != "in_service"),
    Rule(
        "SCOPE-CLOSED",
        "The charger is Closed and the account excludes closed chargers",
        lambda c: (c["scope_status"] == "Closed") & c["exclude_closed"],
    ),
    Rule(
        "SCOPE-PRIVATE",
        "The charger is Private and the account excludes private chargers",
        lambda c: (c["scope_status"] == "Private") & c["exclude_private"],
    ),
    Rule("FEE-ZERO", "The account's fees come to nothing", operator.itemgetter("is_free")),
)

# Not a predicate on one row: other rows of the same connector decide it.
BILLED_ELSEWHERE = "BILLED-ELSEWHERE"
RELATIONAL_RULES: dict[str, str] = {
    BILLED_ELSEWHERE: "The charger moved around the count, and the account whose count came first is billed",
}

RULE_REASONS: dict[str, str] = {rule.rule_id: rule.reason for rule in RULES} | RELATIONAL_RULES
