"""What must hold before account statements are published, and what is merely odd."""

from __future__ import annotations

from typing import Any

from great_expectations import ExpectationSuite
from great_expectations import expectations as gxe

# A warning if more than one account in twenty is withheld.
_MOST_ACCOUNTS = 0.95

# Each figure of the items, the same by another way, and what that means.
PAIRS = (
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


def account_statements_suite() -> ExpectationSuite:
    """For the staged account statements, a row per candidate: sql/queries/account_statements/check.sql."""
    expectations: list[Any] = [
        gxe.ExpectColumnValuesToBeUnique(
            column="account_id", severity="critical", meta=_says("Each account is stated once")
        ),
        *(
            gxe.ExpectColumnPairValuesToBeEqual(column_A=found, column_B=due, severity="critical", meta=_says(says))
            for found, due, says in PAIRS
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="repeated_items",
            max_value=0,
            severity="critical",
            meta=_says("No item is listed twice, here or on an earlier statement"),
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="foreign_items",
            max_value=0,
            severity="critical",
            meta=_says("Every item is in its account's currency"),
        ),
        gxe.ExpectColumnValuesToBeNull(
            column="altered",
            severity="warning",
            meta=_says(
                "The platform's charges are still as the statements list them (nothing is booked for the others)"
            ),
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="is_withheld",
            value_set=[False],
            mostly=_MOST_ACCOUNTS,
            severity="warning",
            meta=_says(f"At least {_MOST_ACCOUNTS:.0%} of the accounts can be stated"),
        ),
    ]
    return ExpectationSuite("account_statements", expectations=expectations)


def _says(text: str) -> dict[str, str]:
    return {"says": text}
