"""The accounts of a month: each fault of an account is found, named and leaves the others alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

from evbilling.period import Period
from evbilling.scope import (
    ACCOUNT_FAULTS,
    BILLED_ACCOUNT_COLUMNS,
    account_faults,
    as_of_snapshot,
    billed_accounts,
    shared_customers,
)

PERIOD = Period(2026, 11)
ACCOUNT = {"account_id": "a", "name": "Alpha", "country": "DE", "time_zone": "Europe/Berlin", "currency": "EUR"}
USER = {"user_id": "u", "account_id": "a", "active": True}
TERMS: dict[str, Any] = {
    "account_id": "a",
    "setting_id": 1,
    "financial_admin_id": "u",
    "fee_e4": 45_000,
    "dc_fee_e4": 90_000,
    "exclude_closed": False,
    "exclude_private": False,
    "tax_rate_e6": 190_000,
}


def _billed(
    accounts: list[dict[str, Any]] | None = None,
    users: list[dict[str, Any]] | None = None,
    nameless: dict[str, int] | None = None,
    snapshot: list[str] | None = None,
    **changes: Any,
) -> pd.DataFrame:
    platform = pd.DataFrame([ACCOUNT] if accounts is None else accounts, columns=list(ACCOUNT), dtype=object)
    people = pd.DataFrame([USER] if users is None else users, columns=list(USER), dtype=object)
    frame = billed_accounts(platform, people, pd.DataFrame([TERMS | changes]), PERIOD, nameless or {})
    if snapshot is None:
        return frame
    return as_of_snapshot(frame, pd.DataFrame({"account_id": snapshot, "nameless_chargers": 0}))


def _faults(frame: pd.DataFrame) -> dict[str, str]:
    found = account_faults(frame)
    return dict(zip(found["reason_id"], found["detail"], strict=True))


def test_an_account_in_good_order_has_no_fault_and_its_terms_in_minor_units() -> None:
    """Fees are whole minor units, the count instant is midnight there, and nothing is at fault."""
    frame = _billed()
    (row,) = frame.to_dict("records")
    assert list(frame.columns) == list(BILLED_ACCOUNT_COLUMNS)
    assert (row["fee_minor"], row["dc_fee_minor"], row["minor_unit"]) == (450, 900, 2)
    assert row["count_instant"] == datetime(2026, 10, 31, 23, tzinfo=UTC)
    assert not row["is_quarantined"]
    assert _faults(frame) == {}


@pytest.mark.parametrize(
    ("reason", "said", "situation"),
    [
        ("ACCOUNT-UNKNOWN", "no such account", {"accounts": []}),
        ("ACCOUNT-REPEATED", "several rows for account a", {"accounts": [ACCOUNT, ACCOUNT]}),
        ("TIME-ZONE-UNKNOWN", "'Mars/Olympus'", {"accounts": [ACCOUNT | {"time_zone": "Mars/Olympus"}]}),
        ("TIME-ZONE-UNKNOWN", "time zone (none) is", {"accounts": [ACCOUNT | {"time_zone": None}]}),
        ("CURRENCY-UNKNOWN", "'EURO'", {"accounts": [ACCOUNT | {"currency": "EURO"}]}),
        ("CURRENCY-UNKNOWN", "currency (none) is", {"accounts": [ACCOUNT | {"currency": None}]}),
        ("FEE-INVALID", "no amount", {"fee_e4": -1}),
        ("FEE-INVALID", "no amount", {"dc_fee_e4": -1}),
        ("FEE-DECIMALS", "4.125 / 9", {"fee_e4": 41_250}),
        ("FEE-DECIMALS", "JPY has (0)", {"accounts": [ACCOUNT | {"currency": "JPY"}]}),
        ("FEE-DECIMALS", "4.5 / 4.125", {"dc_fee_e4": 41_250}),
        ("ADMIN-MISSING", "no financial admin", {"financial_admin_id": None}),
        ("ADMIN-UNKNOWN", "financial admin u is not a user", {"users": []}),
        (
            "ADMIN-REPEATED",
            "2 different rows for financial admin u (a, b)",
            {"users": [USER, USER | {"account_id": "b"}]},
        ),
        ("ADMIN-REPEATED", "admin u (a, b)", {"users": [USER | {"account_id": "b"}, USER]}),
        (
            "ADMIN-REPEATED",
            "3 different rows",
            {"users": [USER, USER | {"active": False}, USER | {"account_id": None}]},
        ),
        ("ADMIN-OF-ANOTHER-ACCOUNT", "a user of account b", {"users": [USER | {"account_id": "b"}]}),
        ("ADMIN-OF-ANOTHER-ACCOUNT", "a user of account (none)", {"users": [USER | {"account_id": None}]}),
        ("ADMIN-INACTIVE", "u is inactive", {"users": [USER | {"active": False}]}),
        ("ADMIN-INACTIVE", "u is inactive", {"users": [USER | {"active": None}]}),
        ("CHARGER-ID-MISSING", "2 of the account's chargers", {"nameless": {"a": 2}}),
        ("SNAPSHOT-WITHOUT-ACCOUNT", "a was not billed when", {"snapshot": ["b"]}),
    ],
)
def test_each_fault_of_an_account_is_found_alone(reason: str, said: str, situation: dict[str, Any]) -> None:
    """One thing wrong gives just that reason, in words that show what is wrong, and a quarantined account."""
    frame = _billed(**situation)
    faults = _faults(frame)
    assert list(faults) == [reason]
    assert said in faults[reason]
    assert frame["is_quarantined"].tolist() == [True]


def test_every_fault_has_a_situation_here() -> None:
    """No fault of the list goes without a test of its own."""
    (mark,) = test_each_fault_of_an_account_is_found_alone.pytestmark  # type: ignore[attr-defined]
    assert {case[0] for case in mark.args[1]} == {fault.reason_id for fault in ACCOUNT_FAULTS}


def test_a_snapshot_s_own_faults_count_not_today_s() -> None:
    """Chargers that lost their id since the snapshot was taken say nothing about the month it holds."""
    assert _faults(_billed(nameless={"a": 2}, snapshot=["a"])) == {}


def test_several_faults_are_all_told() -> None:
    """Who mends an account sees all that is wrong at once."""
    frame = _billed([ACCOUNT | {"time_zone": "nowhere", "currency": "???"}], [], nameless={"a": 1})
    assert set(_faults(frame)) == {"TIME-ZONE-UNKNOWN", "CURRENCY-UNKNOWN", "ADMIN-UNKNOWN", "CHARGER-ID-MISSING"}


def test_one_account_s_fault_leaves_the_others_alone() -> None:
    """Of two accounts only the one at fault is quarantined; both are listed, in order."""
    accounts = pd.DataFrame([ACCOUNT | {"account_id": "b", "currency": None}, ACCOUNT], dtype=object)
    users = pd.DataFrame([USER, {"user_id": "v", "account_id": "b", "active": True}], dtype=object)
    terms = pd.DataFrame([TERMS | {"account_id": "b", "financial_admin_id": "v"}, TERMS])
    frame = billed_accounts(accounts, users, terms, PERIOD, {})
    assert frame["account_id"].tolist() == ["a", "b"]
    assert frame["is_quarantined"].tolist() == [False, True]


@pytest.mark.parametrize(("currency", "minor"), [("JPY", 4), ("EUR", 400), ("KWD", 4000), ("CLF", 40_000)])
def test_fees_follow_the_currency_s_decimals(currency: str, minor: int) -> None:
    """A fee of 4 is 4 yen, 400 cents, 4000 fils, and as many of the smallest unit wherever."""
    frame = _billed([ACCOUNT | {"currency": currency}], fee_e4=40_000, dc_fee_e4=40_000)
    assert frame["fee_minor"].tolist() == [minor]
    assert not frame["is_quarantined"].any()


def test_an_account_with_an_unknown_zone_is_counted_at_midnight_utc() -> None:
    """So that the money it was expected to bring can be told all the same."""
    frame = _billed([ACCOUNT | {"time_zone": "nowhere"}])
    assert frame["count_instant"].tolist() == [pd.Timestamp("2026-11-01", tz="UTC")]


@pytest.mark.parametrize(("fee", "dc_fee", "is_free"), [(0, 0, True), (0, 1, False), (1, 0, False)])
def test_an_account_is_free_only_if_both_fees_are_zero(fee: int, dc_fee: int, is_free: bool) -> None:
    """One fee above zero makes an account worth counting."""
    assert _billed(fee_e4=fee * 10_000, dc_fee_e4=dc_fee * 10_000)["is_free"].tolist() == [is_free]


@pytest.mark.parametrize("more", [[], [USER | {"user_id": "v", "account_id": "b"}]])
def test_a_user_in_equal_rows_is_one_user(more: list[dict[str, Any]]) -> None:
    """An export that says the same twice leaves nothing unclear."""
    assert _faults(_billed(users=[USER, *more, USER])) == {}


@pytest.mark.parametrize("user_id", ["U", " u", "u ", "u\N{NO-BREAK SPACE}", None])
def test_an_id_that_only_looks_alike_is_another_one(user_id: str | None) -> None:
    """Case and blanks are part of an id: no row but the one of exactly this id counts."""
    assert list(_faults(_billed(users=[USER | {"user_id": user_id}]))) == ["ADMIN-UNKNOWN"]
    assert _faults(_billed(users=[USER, USER | {"user_id": user_id, "account_id": "b"}])) == {}


def test_customers_of_several_accounts_are_named() -> None:
    """Only those of accounts that are billed, and of their financial admins; an empty one is none."""
    accounts = [ACCOUNT | {"account_id": name} for name in "abcdef"]
    customers = {"a": "cus_1", "b": "cus_1", "c": "cus_2", "d": None, "e": None, "f": "cus_2"}
    users = pd.DataFrame(
        [USER | {"user_id": f"u-{name}", "account_id": name, "payment_customer": c} for name, c in customers.items()]
        + [USER | {"user_id": "v", "account_id": "a", "payment_customer": "cus_2"}],
        dtype=object,
    )
    terms = pd.DataFrame([TERMS | {"account_id": name, "financial_admin_id": f"u-{name}"} for name in "abcdef"])
    terms.loc[terms["account_id"] == "f", "financial_admin_id"] = "nobody"
    frame = billed_accounts(pd.DataFrame(accounts, dtype=object), users, terms, PERIOD, {})
    assert shared_customers(frame, users) == ["cus_1"]
