"""The suites: what must hold before a month is published (critical), and what is merely unusual (warnings).

Critical expectations stop the run; warnings go into its record. Each carries in `meta["says"]` the sentence that people
read. Values known only at run time come in as `$PARAMETER`s.
"""

from __future__ import annotations

from itertools import starmap
from typing import Any

from great_expectations import ExpectationSuite
from great_expectations import expectations as gxe
from great_expectations.expectations.row_conditions import Column

from evbilling.expectations.validator import DOUBTS
from evbilling.platform import POWER_TYPES
from evbilling.platform.inventory import KNOWN_VALUES
from evbilling.scope import RULE_REASONS

# A warning if more than one account in twenty has a fault or is withheld.
_MOST_ACCOUNTS = 0.95

# An unknown value quarantines its account. But if few values of a column are known, the column itself is wrong.
_HARDLY_ANY = 0.5

# Each figure of the account statements' items, the same figure from another source, and what it means if they agree.
ACCOUNT_PAIRS = (
    ("opening", "due_opening", "Each account: the opening balance is the last closing balance"),
    ("issued", "due_issued", "Each account: the statements and corrections listed are those issued and not listed yet"),
    ("paid", "due_paid", "Each account: the payments listed are those of the ledger that are not listed yet"),
    ("charges", "due_charges", "Each account: as many charges are listed as the platform has that are not listed yet"),
    ("charged", "due_charged", "Each account: the charges listed add up to what the platform reports"),
    (
        "settled",
        "due_settled",
        "Each account: what is settled of the charges listed adds up to what the platform reports",
    ),
    ("closing", "sum_of_kinds", "Each account: the closing balance is the opening balance and all that is listed"),
    ("closing", "ledger_balance", "Each account: the closing balance is the ledger's balance and the open charges"),
)


def inventory_suite() -> ExpectationSuite:
    """For the inventory as extracted: the frame of `evbilling.platform.inventory`, a row per shard."""
    expectations: list[Any] = [
        _equal("rows", "reported", "The stored evidence has as many connectors as the source reported"),
        _empty("without_charger", "critical", "Every connector names its charger"),
        _empty("without_account", "critical", "Every connector is counted at an account"),
    ]
    for column in KNOWN_VALUES:
        says = f"Every connector has a known {column}"
        expectations += [
            _empty(f"empty_{column}", "warning", f"{says} (not empty)"),
            _empty(f"unknown_{column}", "warning", says),
            _between(
                f"share_known_{column}",
                f"At least {_HARDLY_ANY:.0%} of the connectors have a known {column}",
                min_value=_HARDLY_ANY,
            ),
        ]
    return ExpectationSuite("inventory", expectations=expectations)


def decisions_suite() -> ExpectationSuite:
    """For the staged decisions: a row per account, rule, power type and price, with its number of connectors."""
    billed, excluded = Column("rule_id") == "billed", Column("rule_id") != "billed"
    return ExpectationSuite(
        "decisions",
        expectations=[
            gxe.ExpectColumnValuesToBeInSet(
                column="rule_id",
                value_set=["billed", *RULE_REASONS],
                **_critical("Every connector is billed or excluded by a known rule"),
            ),
            gxe.ExpectColumnValuesToBeInSet(
                column="power_type",
                value_set=list(POWER_TYPES),
                row_condition=billed,
                **_critical("Every billed connector is AC or DC"),
            ),
            _equal(
                "unit_price_minor",
                "agreed_price_minor",
                "Every billed connector has its account's fee as price",
                row_condition=billed,
            ),
            _empty("unit_price_minor", "critical", "No excluded connector has a price", row_condition=excluded),
        ],
    )


def accounts_suite() -> ExpectationSuite:
    """For the accounts with billing on: a row per account, its counts over all shards and as staged."""
    is_sound = Column("is_quarantined") == False  # ruff: ignore[true-false-comparison]  # builds a condition
    return ExpectationSuite(
        "accounts",
        expectations=[
            _unique("Each account has one draft"),
            _equal("extracted", "decided", "Each account: billed and excluded connectors add up to those extracted"),
            _equal(
                "decided", "staged", "Each account: as many decisions are staged as were made", row_condition=is_sound
            ),
            _equal(
                "net_minor",
                "staged_net_minor",
                "Each account: the staged lines add up to the statement's net amount",
                row_condition=is_sound,
            ),
            _between("tax_minor", "No tax is negative", min_value=0),
            _mostly_false("is_quarantined", f"At least {_MOST_ACCOUNTS:.0%} of the accounts are without a fault"),
        ],
    )


def period_suite(last_billed: str | None) -> ExpectationSuite:
    """For the period as a whole: one row. `last_billed` is the period that its count is compared with.

    Parameters: change_limit, lower_change_limit (percent), orphan_limit.
    """
    compared = f"the last month billed, {last_billed}" if last_billed else "the last month billed (there is none yet)"
    return ExpectationSuite(
        "period",
        expectations=[
            _between("extracted", "The inventory isn't empty", min_value=1),
            _equal("extracted", "decided", "All connectors extracted have a decision"),
            *(_empty(name, "warning", says) for name, says in DOUBTS.items()),
            gxe.ExpectColumnValuesToBeBetween(
                column="shared_customers",
                max_value=0,
                **_warning("No customer of the gateway pays for several accounts"),
            ),
            _between(
                "orphans",
                "No more connectors under no known charger than the limit",
                max_value={"$PARAMETER": "orphan_limit"},
            ),
            _between(
                "change_percent",
                f"The connector count is within the limit of {compared}",
                min_value={"$PARAMETER": "lower_change_limit"},
                max_value={"$PARAMETER": "change_limit"},
            ),
        ],
    )


def account_statements_suite() -> ExpectationSuite:
    """For the staged account statements: a row per candidate, as the query accounts_check gives them."""
    return ExpectationSuite(
        "account_statements",
        expectations=[
            _unique("Each account is stated once"),
            *starmap(_equal, ACCOUNT_PAIRS),
            _between("repeated_items", "No item is listed twice, here or on an earlier statement", max_value=0),
            _between("foreign_items", "Every item is in its account's currency", max_value=0),
            _empty(
                "altered",
                "warning",
                "The platform's charges are still as the statements list them (nothing is booked for the others)",
            ),
            _mostly_false("is_withheld", f"At least {_MOST_ACCOUNTS:.0%} of the accounts can be stated"),
        ],
    )


def _critical(says: str) -> dict[str, Any]:
    return {"severity": "critical", "meta": {"says": says}}


def _warning(says: str) -> dict[str, Any]:
    return {"severity": "warning", "meta": {"says": says}}


def _equal(column: str, other: str, says: str, **condition: Any) -> Any:
    return gxe.ExpectColumnPairValuesToBeEqual(column_A=column, column_B=other, **condition, **_critical(says))


def _between(column: str, says: str, **limits: Any) -> Any:
    return gxe.ExpectColumnValuesToBeBetween(column=column, **limits, **_critical(says))


def _empty(column: str, severity: str, says: str, **condition: Any) -> Any:
    """The column says what is wrong, so it must be empty."""
    return gxe.ExpectColumnValuesToBeNull(column=column, severity=severity, meta={"says": says}, **condition)


def _unique(says: str) -> Any:
    return gxe.ExpectColumnValuesToBeUnique(column="account_id", **_critical(says))


def _mostly_false(column: str, says: str) -> Any:
    return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=[False], mostly=_MOST_ACCOUNTS, **_warning(says))
