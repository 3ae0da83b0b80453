"""A setting as typed into a form: every field judged at once, in words for whoever typed it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from evbilling.period import Period
from evbilling.platform import AppUser
from evbilling.settings import BillingTerms, TypedSetting, as_typed, check_reason, check_setting, typed_setting

ADMIN = AppUser("u", "a", "Ann Lee", "ann@example.org", True)
GOOD = TypedSetting(
    charge_connectors=True,
    financial_admin_id="u",
    fee_per_connector="4.50",
    fee_per_dc_connector="",
    tax_percent="7",
    exclude_closed=True,
    effective_from="2026-12",
    reason="new contract",
)
TERMS = BillingTerms("a", Period(2026, 12), True, "u", Decimal("4.50"), None, True, False, Decimal("0.07"))


def errors(form: TypedSetting, currency: str | None = "EUR", admin: AppUser | None = ADMIN) -> dict[str, str]:
    checked = check_setting(form, "a", currency, admin)
    assert (checked.terms is None) == bool(checked.errors)
    return dict(checked.errors)


def test_a_good_form_is_terms() -> None:
    assert check_setting(GOOD, "a", "EUR", ADMIN).terms == TERMS
    assert check_setting(replace(GOOD, fee_per_dc_connector="9"), "a", "EUR", ADMIN).terms == replace(
        TERMS, fee_per_dc_connector=Decimal(9)
    )


@pytest.mark.parametrize(
    ("percent", "rate"),
    [("7", "0.07"), ("0", "0"), ("7.25 %", "0.0725"), ("0.0001", "0.000001"), ("99.9999%", "0.999999")],
)
def test_tax_is_typed_as_percent_and_kept_exactly(percent: str, rate: str) -> None:
    terms = check_setting(replace(GOOD, tax_percent=percent), "a", "EUR", ADMIN).terms
    assert terms is not None
    assert terms.tax_rate == Decimal(rate)
    assert check_setting(as_typed(terms, Period(2026, 12), "EUR"), "a", "EUR", ADMIN).terms == terms


@pytest.mark.parametrize(
    ("percent", "says"),
    [
        ("", "is empty"),
        ("100", "100 % or more"),
        ("-1", "below zero"),
        ("7,5", "not a decimal number"),
        ("7.12345", "more than 4 decimals"),
        ("1e1", "not a decimal number"),
        ("\u0667", "not a decimal number"),
    ],
)
def test_a_tax_that_makes_no_sense_is_refused(percent: str, says: str) -> None:
    assert says in errors(replace(GOOD, tax_percent=percent))["tax_percent"]


def test_all_fields_are_judged_at_once() -> None:
    bad = replace(
        GOOD,
        financial_admin_id="",
        fee_per_connector="four",
        fee_per_dc_connector="-1",
        tax_percent="x",
        effective_from="2026-13",
    )
    assert set(errors(bad)) == {
        "financial_admin_id",
        "fee_per_connector",
        "fee_per_dc_connector",
        "tax_percent",
        "effective_from",
    }


@pytest.mark.parametrize(
    ("fee", "currency", "says"),
    [
        ("4.505", "EUR", "EUR has 2 decimals"),
        ("4.5", "JPY", "JPY has no decimals"),
        ("4.5005", "KWD", "KWD has 3 decimals"),
        ("1000000.01", "EUR", "above 1,000,000"),
    ],
)
def test_a_fee_fits_the_currency(fee: str, currency: str, says: str) -> None:
    assert says in errors(replace(GOOD, fee_per_connector=fee), currency)["fee_per_connector"]
    assert says in errors(replace(GOOD, fee_per_dc_connector=fee), currency)["fee_per_dc_connector"]


def test_a_fee_may_only_be_empty_for_dc() -> None:
    """An empty DC fee means the same fee; an empty fee means nothing."""
    assert errors(replace(GOOD, fee_per_connector="")) == {"fee_per_connector": "is empty, but is required"}


def test_trailing_zeros_are_no_decimals() -> None:
    assert errors(replace(GOOD, fee_per_connector="450.00"), "JPY") == {}


def test_an_unknown_currency_is_no_fault_of_the_fee() -> None:
    """The preview tells of it: nobody can mend it in this form."""
    assert errors(replace(GOOD, fee_per_connector="4.5005"), None) == {}


@pytest.mark.parametrize(
    ("chosen", "admin", "says"),
    [
        ("", None, "choose who is charged"),
        ("x", None, "the platform has no user x"),
        ("u", replace(ADMIN, active=False), "the user Ann Lee · ann@example.org is inactive"),
        ("u", replace(ADMIN, account_id="b"), "is not one of this account"),
        ("u", replace(ADMIN, account_id=None, full_name=None, email=None), "the user u is not one of this account"),
    ],
)
def test_the_admin_is_an_active_user_of_the_account(chosen: str, admin: AppUser | None, says: str) -> None:
    assert says in errors(replace(GOOD, financial_admin_id=chosen), admin=admin)["financial_admin_id"]


def test_charging_can_be_switched_off_whatever_else_is_wrong_with_the_account() -> None:
    """What matters only to a statement doesn't keep anybody from ending the billing."""
    off = replace(GOOD, charge_connectors=False, financial_admin_id="gone", fee_per_connector="4.505")
    terms = check_setting(off, "a", "EUR", None).terms
    assert terms is not None
    assert (terms.charge_connectors, terms.financial_admin_id) == (False, "gone")
    assert check_setting(replace(off, financial_admin_id=""), "a", "EUR", None).terms == replace(
        terms, financial_admin_id=None
    )


def test_a_reason_is_required_and_no_novel() -> None:
    assert check_reason(GOOD) == {}
    assert "required" in check_reason(replace(GOOD, reason=" \t "))["reason"]
    assert "1,001 characters" in check_reason(replace(GOOD, reason="x" * 1001))["reason"]


def test_what_a_browser_sends() -> None:
    sent = {
        "charge_connectors": "on",
        "financial_admin_id": "u",
        "fee_per_connector": " 4.50 ",
        "tax_percent": "7",
        "exclude_closed": "on",
        "effective_from": "2026-12",
        "reason": "new contract\n",
        "unknown": "x",
    }
    assert typed_setting(sent) == GOOD
    assert typed_setting({"financial_admin_id": " u", "reason": "a\x00b"}) == TypedSetting(
        financial_admin_id=" u", reason="a\ufffdb"
    )


def test_an_empty_form_for_an_account_without_a_setting() -> None:
    assert as_typed(None, Period(2026, 12), "EUR") == TypedSetting(effective_from="2026-12")
    terms = replace(TERMS, fee_per_connector=Decimal("4.5"))
    assert as_typed(terms, Period(2027, 1), "EUR") == replace(
        GOOD, effective_from="2027-01", reason="", fee_per_connector="4.50"
    )
