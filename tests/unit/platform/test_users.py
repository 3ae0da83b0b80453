"""A user is known only if the platform has one row of it, and an account's only if that row says so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evbilling.platform import AppUser, Users

ANN = AppUser("u", "a", "Ann", "ann@example.org", True, "cus_a", "pm_a")

CASES: dict[str, tuple[list[AppUser], bool, str | None]] = {
    "one row": ([ANN], True, None),
    "the same row twice": ([ANN, replace(ANN)], True, None),
    "nobody": ([], False, None),
    "twice, of two accounts": ([ANN, replace(ANN, account_id="b")], False, "2 different rows for user u (a, b)"),
    "the other order": ([replace(ANN, account_id="b"), ANN], False, "2 different rows for user u (a, b)"),
    "another card": ([ANN, replace(ANN, payment_method="pm_b")], False, "2 different rows for user u (a)"),
    "another address": ([ANN, replace(ANN, email="b@example.org")], False, "2 different rows for user u (a)"),
    "of another account": ([replace(ANN, account_id="b")], False, "user u is a user of account b, not of a"),
    "of no account": ([replace(ANN, account_id=None)], False, "user u is a user of account (none), not of a"),
    "of an account in another case": ([replace(ANN, account_id="A")], False, "of account A, not of a"),
    "of an account with a blank": ([replace(ANN, account_id="a ")], False, "of account a , not of a"),
    "an id in another case": ([replace(ANN, user_id="U")], False, None),
    "an id with a blank": ([replace(ANN, user_id=" u")], False, None),
    "beside an id in another case": ([ANN, replace(ANN, user_id="U", account_id="b")], True, None),
}


@pytest.mark.parametrize("case", CASES)
def test_whose_a_user_is(case: str) -> None:
    """It is the account's, or nobody is, with the reason where the platform has the id."""
    rows, is_own, why = CASES[case]
    users = Users(rows)
    assert users.own("u", "a") == (ANN if is_own else None)
    said = users.why_not_own("u", "a")
    assert (said is None) == (why is None)
    assert why is None or why in str(said)
    assert users.is_repeated("u") == ("different rows" in (why or ""))


def test_nobody_is_no_user() -> None:
    """An account without a financial admin has none, whatever rows there are."""
    users = Users([ANN])
    assert (users.get(None), users.get(""), users.own(None, "a"), users.is_repeated(None)) == (None, None, None, False)
