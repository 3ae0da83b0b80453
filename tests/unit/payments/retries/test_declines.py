"""Decline codes: their classes, and what a financial admin reads."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from evbilling.payments.retries.declines import DECLINES, Decline, DeclineClass, classify, decline_of, explain

PUBLISHED = """
    authentication_not_handled authentication_required approve_with_id call_issuer card_not_supported
    card_velocity_exceeded currency_not_supported do_not_honor do_not_try_again duplicate_transaction expired_card
    fraudulent generic_decline incorrect_address incorrect_cvc incorrect_number incorrect_pin incorrect_zip
    insufficient_funds invalid_account invalid_amount invalid_cvc invalid_expiry_month invalid_expiry_year
    invalid_number invalid_pin issuer_not_available lost_card merchant_blacklist mobile_device_authentication_required
    new_account_information_available no_action_taken not_permitted offline_pin_required
    online_or_offline_pin_required pickup_card pin_try_exceeded processing_error reenter_transaction restricted_card
    revocation_of_all_authorizations revocation_of_authorization security_violation service_not_allowed stolen_card
    stop_payment_order testmode_decline transaction_not_allowed try_again_later withdrawal_count_limit_exceeded
""".split()  # ruff: ignore[split-static-string]


def test_every_published_code_is_in_the_table_once() -> None:
    counts = Counter(decline.code for decline in DECLINES)
    assert set(PUBLISHED) <= counts.keys()
    assert set(counts.values()) == {1}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("stolen_card", DeclineClass.HARD),
        ("revocation_of_authorization", DeclineClass.HARD),
        ("amount_too_small", DeclineClass.HARD),
        ("amount_too_large", DeclineClass.HARD),
        ("insufficient_funds", DeclineClass.SOFT),
        ("processing_error", DeclineClass.SOFT),
        ("not_charged", DeclineClass.SOFT),
        ("expired_card", DeclineClass.NEEDS_CUSTOMER),
        ("authentication_required", DeclineClass.NEEDS_CUSTOMER),
        ("no_payment_method", DeclineClass.NEEDS_CUSTOMER),
        ("resource_missing", DeclineClass.NEEDS_CUSTOMER),
        ("no_action_taken", DeclineClass.UNKNOWN),
        ("a_code_of_tomorrow", DeclineClass.UNKNOWN),
        ("", DeclineClass.UNKNOWN),
        (None, DeclineClass.UNKNOWN),
    ],
)
def test_class_by_code(code: str | None, expected: DeclineClass) -> None:
    assert classify(code, None) is expected


@pytest.mark.parametrize(
    ("advice", "expected"),
    [
        ("do_not_try_again", DeclineClass.HARD),
        ("try_again_later", DeclineClass.SOFT),
        ("confirm_card_data", DeclineClass.NEEDS_CUSTOMER),
    ],
)
@pytest.mark.parametrize("code", ["stolen_card", "insufficient_funds", "a_code_of_tomorrow", None])
def test_advice_comes_first(code: str | None, advice: str, expected: DeclineClass) -> None:
    assert classify(code, advice) is expected


def test_unknown_advice_is_ignored() -> None:
    assert classify("stolen_card", "an_advice_of_tomorrow") is DeclineClass.HARD
    assert classify("insufficient_funds", "") is DeclineClass.SOFT


@pytest.mark.parametrize("code", [*(decline.code for decline in DECLINES), "a_code_of_tomorrow", None])
def test_explanations_are_plain_and_accuse_nobody(code: str | None) -> None:
    """What happened in one sentence, and what to do in another that may be missing."""
    decline = decline_of(code)
    assert decline.what.endswith(".")
    assert decline.what.count(".") == 1
    assert decline.advice == "" or re.fullmatch(r"Please [^.]+\.", decline.advice)
    for word in ("stolen", "lost", "fraud", "blacklist", "suspect", "pick up", "security"):
        assert word not in decline.explanation.lower()


@pytest.mark.parametrize("decline", DECLINES, ids=lambda decline: decline.code)
def test_an_explanation_promises_nothing(decline: Decline) -> None:
    """Whether a charge is tried again depends on more than its code."""
    for word in ("we'll", "again later", "try", "tries", "automatic", "needn't", "wait"):
        assert word not in decline.explanation


def test_cards_withheld_by_the_bank_all_read_alike() -> None:
    texts = {explain(code) for code in ("lost_card", "stolen_card", "pickup_card", "fraudulent", "merchant_blacklist")}
    assert len(texts) == 1


def test_an_unlisted_code_is_named() -> None:
    assert "(a_code_of_tomorrow)" in explain("a_code_of_tomorrow")
