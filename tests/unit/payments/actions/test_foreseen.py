"""The status that a dry run foresees: each rule of finance.statements, at its edges."""

from __future__ import annotations

from decimal import Decimal

import pytest

from evbilling.payments.actions.foreseen import status_if_charged, status_if_marked, status_if_undone


@pytest.mark.parametrize(
    ("balance", "amount", "has_failed", "expected"),
    [
        ("9.52", "9.52", False, "Paid"),
        ("9.52", "9.52", True, "Billing failure (resolved)"),
        # Of three decimals a card carries two: the last one stays due.
        ("1.005", "1.000", False, "Partly paid"),
        ("1.005", "1.000", True, "Partly paid"),
    ],
)
def test_once_it_is_charged(balance: str, amount: str, has_failed: bool, expected: str) -> None:
    """Paid, or resolved after a failure; a rest keeps it open."""
    assert status_if_charged(Decimal(balance), Decimal(amount), has_failed=has_failed) == expected


@pytest.mark.parametrize(
    ("balance", "amount", "expected"),
    [("9.52", "9.52", "Paid manually"), ("9.52", "9.51", "Partly paid")],
)
def test_once_it_is_marked(balance: str, amount: str, expected: str) -> None:
    """By hand in full or in part."""
    assert status_if_marked(Decimal(balance), Decimal(amount)) == expected


@pytest.mark.parametrize(
    ("balance", "paid", "amount", "has_failed", "expected"),
    [
        ("0", "9.52", "9.52", True, "Billing failure"),
        ("0", "9.52", "9.52", False, "Issued"),
        ("0", "9.52", "4.52", True, "Partly paid"),
        ("5.00", "4.52", "4.52", False, "Issued"),
        # A credit note has left more than the payment: nothing is due either way.
        ("-5.00", "9.52", "4.52", False, None),
        ("-4.52", "9.52", "4.52", False, None),
    ],
)
def test_once_it_is_undone(balance: str, paid: str, amount: str, has_failed: bool, expected: str | None) -> None:
    """As it stood before, by what else was paid and whether a charge ever failed."""
    undone = status_if_undone(Decimal(balance), Decimal(paid), Decimal(amount), has_failed=has_failed)
    assert undone == expected
