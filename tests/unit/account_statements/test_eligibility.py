"""Whom an account statement goes to, and from when to when its charges count."""

from __future__ import annotations

from typing import Any

import pandas as pd

from evbilling.account_statements import AMOUNT_FAULTS
from evbilling.account_statements.eligibility import CANDIDATE_COLUMNS, addressed, amount_faults
from evbilling.period import Period

PERIOD = Period(2026, 11)


def _candidates(*rows: dict[str, Any]) -> pd.DataFrame:
    nothing = {
        "is_on": True,
        "last_statement_id": None,
        "opening_minor": 0,
        "opening_currency": None,
        "first_period": None,
        "first_zone": None,
        "newest_account_name": None,
        "newest_financial_admin_id": None,
        "newest_time_zone": None,
        "newest_currency": None,
        "newest_minor_unit": None,
    }
    return pd.DataFrame([nothing | row for row in rows], columns=["account_id", *nothing], dtype=object)


def _terms(*account_ids: str) -> pd.DataFrame:
    return pd.DataFrame(
        [(a, n, f"fa-{a}", 50_000, 50_000, False, False, 0) for n, a in enumerate(account_ids)],
        columns=[
            "account_id",
            "setting_id",
            "financial_admin_id",
            "fee_e4",
            "dc_fee_e4",
            "exclude_closed",
            "exclude_private",
            "tax_rate_e6",
        ],
    )


def _accounts(*rows: tuple[str, str | None, str | None]) -> pd.DataFrame:
    columns = ["account_id", "name", "country", "time_zone", "currency"]
    return pd.DataFrame([(a, f"Name of {a}", "DE", zone, currency) for a, zone, currency in rows], columns=columns)


def _users(*account_ids: str) -> pd.DataFrame:
    return pd.DataFrame([(f"fa-{a}", a, True) for a in account_ids], columns=["user_id", "account_id", "active"])


NEWEST = {
    "newest_account_name": "Old name",
    "newest_financial_admin_id": "old-admin",
    "newest_time_zone": "Asia/Tokyo",
    "newest_currency": "JPY",
    "newest_minor_unit": 0,
    "first_period": "2026-02",
    "first_zone": "Asia/Tokyo",
}


def test_an_account_with_billing_on_is_addressed_as_the_platform_has_it() -> None:
    """Also if an earlier statement says otherwise; its charges count in its own zone, from its first month on."""
    frame, faults = addressed(
        _candidates({"account_id": "a"} | NEWEST, {"account_id": "b"}),
        _accounts(("a", "Europe/Berlin", "EUR"), ("b", "America/New_York", "USD")),
        _users("a", "b"),
        _terms("a", "b"),
        PERIOD,
    )
    assert list(frame.columns) == list(CANDIDATE_COLUMNS)
    assert faults.empty
    a, b = frame.to_dict("records")
    assert (a["account_name"], a["financial_admin_id"], a["currency"], a["minor_unit"]) == (
        "Name of a",
        "fa-a",
        "EUR",
        2,
    )
    assert a["opens_at"] == pd.Timestamp("2026-10-31T23:00Z")
    assert a["charges_since"] == pd.Timestamp("2026-01-31T15:00Z")  # as the zone was at its first statement
    assert a["charges_until"] == pd.Timestamp("2026-11-30T23:00Z")
    assert b["charges_since"] == b["opens_at"] == pd.Timestamp("2026-11-01T04:00Z")
    assert b["charges_until"] == pd.Timestamp("2026-12-01T05:00Z")


def test_an_account_off_or_gone_is_addressed_as_on_its_newest_statement() -> None:
    """It has no fault then; one without any statement has."""
    frame, faults = addressed(
        _candidates(
            {"account_id": "gone"} | NEWEST, {"account_id": "never"}, {"account_id": "off", "is_on": False} | NEWEST
        ),
        _accounts(("off", "Europe/Berlin", "EUR")),
        _users(),
        _terms("gone", "never"),
        PERIOD,
    )
    addresses = frame[["account_name", "financial_admin_id", "time_zone", "currency", "minor_unit"]].to_numpy().tolist()
    old = ["Old name", "old-admin", "Asia/Tokyo", "JPY", 0]
    assert addresses[0] == addresses[2] == old
    assert frame["opens_at"].iloc[0] == pd.Timestamp("2026-10-31T15:00Z")
    assert set(zip(faults["account_id"], faults["reason_id"], strict=True)) == {
        ("never", "ACCOUNT-UNKNOWN"),
        ("never", "ADMIN-UNKNOWN"),
    }
    assert frame["minor_unit"].tolist() == [0, -1, 0]


def test_only_faults_of_the_address_count() -> None:
    """A fee with too many decimals is the connector statement's matter; an unknown zone counts as UTC."""
    terms = _terms("a", "zone", "currency").assign(fee_e4=50_001)
    frame, faults = addressed(
        _candidates({"account_id": "a"}, {"account_id": "currency"}, {"account_id": "zone"}),
        _accounts(("a", "UTC", "EUR"), ("zone", "Mars/Olympus", "EUR"), ("currency", "UTC", "EURO")),
        _users("a", "zone", "currency"),
        terms,
        PERIOD,
    )
    assert sorted(faults["reason_id"]) == ["CURRENCY-UNKNOWN", "TIME-ZONE-UNKNOWN"]
    assert set(frame["opens_at"]) == {pd.Timestamp("2026-11-01T00:00Z")}


def test_nobody_to_state_is_no_error() -> None:
    """An empty month gives empty frames."""
    frame, faults = addressed(_candidates(), _accounts(), _users(), _terms(), PERIOD)
    assert (len(frame), len(faults)) == (0, 0)
    assert list(frame.columns) == list(CANDIDATE_COLUMNS)


def test_amount_faults_say_what_to_mend() -> None:
    """Each reason fills its sentence from what was found and the account."""
    found = pd.DataFrame(
        [("a", reason, 2, "c-1", "1.5 + 0 JPY") for reason in AMOUNT_FAULTS],
        columns=["account_id", "reason_id", "hits", "first_id", "shown"],
    )
    candidates = pd.DataFrame({"account_id": ["a"], "currency": ["JPY"], "minor_unit": [0]})
    details = amount_faults(found, candidates).set_index("reason_id")["detail"]
    assert details["CHARGE-DECIMALS"] == (
        "2 charge(s) with more decimals than JPY has (0), first c-1 (1.5 + 0 JPY); fix them in the platform"
    )
    assert not details.str.contains("{", regex=False).any()
    assert amount_faults(found.iloc[:0], candidates).empty
