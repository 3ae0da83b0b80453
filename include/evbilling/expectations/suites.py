"""What must hold before a month is published, and what is merely odd.

Critical expectations stop the run; warnings go into its record. Each carries in `meta["says"]` the sentence that a
person reads. Values known only at run time come in as `$PARAMETER`s.
"""

from __future__ import annotations

from typing import Any

from great_expectations import ExpectationSuite
from great_expectations import expectations as gxe
from great_expectations.expectations.row_conditions import Column

from evbilling.platform import POWER_TYPES
from evbilling.platform.inventory import KNOWN_VALUES
from evbilling.scope.rules import RULE_REASONS

# A warning if less than this share of the accounts is without a fault.
_MOST_ACCOUNTS = 0.95

# An unknown value quarantines its account. But if hardly any value of a column is known, the column is what is wrong.
_HARDLY_ANY = 0.5


def _says(text: str) -> dict[str, str]:
    return {"says": text}


def _parameter(name: str) -> dict[str, str]:
    return {"$PARAMETER": name}


def inventory_suite() -> ExpectationSuite:
    """For the inventory as extracted: the frame of `evbilling.platform.inventory`, a row per shard."""
    expectations: list[Any] = [
        gxe.ExpectColumnPairValuesToBeEqual(
            column_A="rows",
            column_B="reported",
            severity="critical",
            meta=_says("The stored evidence has as many connectors as the source reported"),
        ),
        _nothing("without_charger", "critical", "Every connector names its charger"),
        _nothing("without_account", "critical", "Every connector is counted at an account"),
    ]
    for column in KNOWN_VALUES:
        says = f"Every connector has a known {column}"
        expectations += [
            _nothing(f"empty_{column}", "warning", f"{says} (not empty)"),
            _nothing(f"unknown_{column}", "warning", says),
            gxe.ExpectColumnValuesToBeBetween(
                column=f"share_known_{column}",
                min_value=_HARDLY_ANY,
                severity="critical",
                meta=_says(f"At least {_HARDLY_ANY:.0%} of the connectors have a known {column}"),
            ),
        ]
    return ExpectationSuite("inventory", expectations=expectations)


def _nothing(column: str, severity: str, says: str) -> Any:
    """What is wrong stands in the column in words; so it is right where there is nothing."""
    return gxe.ExpectColumnValuesToBeNull(column=column, severity=severity, meta=_says(says))


def decisions_suite() -> ExpectationSuite:
    """For the staged decisions: a row per account, rule, power type and price, with its number of connectors."""
    billed, excluded = Column("rule_id") == "billed", Column("rule_id") != "billed"
    return ExpectationSuite(
        "decisions",
        expectations=[
            gxe.ExpectColumnValuesToBeInSet(
                column="rule_id",
                value_set=["billed", *RULE_REASONS],
                severity="critical",
                meta=_says("Every connector is billed or excluded by a known rule"),
            ),
            gxe.ExpectColumnValuesToBeInSet(
                column="power_type",
                value_set=list(POWER_TYPES),
                row_condition=billed,
                severity="critical",
                meta=_says("Every billed connector is AC or DC"),
            ),
            gxe.ExpectColumnPairValuesToBeEqual(
                column_A="unit_price_minor",
                column_B="agreed_price_minor",
                row_condition=billed,
                severity="critical",
                meta=_says("Every billed connector has its account's fee as price"),
            ),
            gxe.ExpectColumnValuesToBeNull(
                column="unit_price_minor",
                row_condition=excluded,
                severity="critical",
                meta=_says("No excluded connector has a price"),
            ),
        ],
    )


def accounts_suite() -> ExpectationSuite:
    """For the accounts with billing on: a row per account, its counts over all shards and as staged."""
    is_sound = Column("is_quarantined") == False  # ruff: ignore[true-false-comparison]  # builds a condition
    return ExpectationSuite(
        "accounts",
        expectations=[
            gxe.ExpectColumnValuesToBeUnique(
                column="account_id", severity="critical", meta=_says("Each account is settled once")
            ),
            gxe.ExpectColumnPairValuesToBeEqual(
                column_A="extracted",
                column_B="decided",
                severity="critical",
                meta=_says("Each account: billed and excluded connectors add up to those extracted"),
            ),
            gxe.ExpectColumnPairValuesToBeEqual(
                column_A="decided",
                column_B="staged",
                row_condition=is_sound,
                severity="critical",
                meta=_says("Each account: as many decisions are staged as were made"),
            ),
            gxe.ExpectColumnPairValuesToBeEqual(
                column_A="net_minor",
                column_B="staged_net_minor",
                row_condition=is_sound,
                severity="critical",
                meta=_says("Each account: the staged lines add up to the statement's net amount"),
            ),
            gxe.ExpectColumnValuesToBeBetween(
                column="tax_minor", min_value=0, severity="critical", meta=_says("No tax is negative")
            ),
            gxe.ExpectColumnValuesToBeInSet(
                column="is_quarantined",
                value_set=[False],
                mostly=_MOST_ACCOUNTS,
                severity="warning",
                meta=_says(f"At least {_MOST_ACCOUNTS:.0%} of the accounts are without a fault"),
            ),
        ],
    )


def period_suite() -> ExpectationSuite:
    """For the period as a whole: one row. Parameters: change_limit (percent), orphan_limit."""
    return ExpectationSuite(
        "period",
        expectations=[
            gxe.ExpectColumnValuesToBeBetween(
                column="extracted",
                min_value=1,
                severity="critical",
                meta=_says("The inventory isn't empty"),
            ),
            gxe.ExpectColumnPairValuesToBeEqual(
                column_A="extracted",
                column_B="decided",
                severity="critical",
                meta=_says("All connectors extracted have a decision"),
            ),
            gxe.ExpectColumnValuesToBeBetween(
                column="homeless_chargers",
                max_value=0,
                severity="warning",
                meta=_says("Every charger belongs to an account that the platform knows"),
            ),
            gxe.ExpectColumnValuesToBeBetween(
                column="orphans",
                max_value=_parameter("orphan_limit"),
                severity="critical",
                meta=_says("No more connectors under no known charger than the limit"),
            ),
            gxe.ExpectColumnValuesToBeBetween(
                column="change_percent",
                min_value=_parameter("lower_change_limit"),
                max_value=_parameter("change_limit"),
                severity="critical",
                meta=_says("The connector count is within the limit of the month before, where that is known"),
            ),
        ],
    )
