"""Whose making each refusal of the gateway is."""

from __future__ import annotations

import inspect
import re

import pytest
import stripe

from evbilling.payments.gateway import refusals
from evbilling.payments.gateway.refusals import LISTED, Whose, how_to_fix, is_of_one_statement, whose

INVALID = "invalid_request_error"


def test_every_code_that_the_client_knows_is_listed_once() -> None:
    """A code that a newer client brings is noticed here, and decided on."""
    source = inspect.getsource(stripe.PaymentIntent.LastPaymentError)
    known = set(re.findall(r'"([a-z0-9_]+)"', source.partition("    code: Optional")[2].partition('"""')[0]))
    assert len(known) > 190
    assert known - LISTED == set()
    parts = (refusals._UNKNOWN, refusals._CUSTOMERS, refusals._OPERATORS)
    assert sum(map(len, parts)) == len(LISTED)


@pytest.mark.parametrize(
    ("kind", "code", "param", "expected"),
    [
        ("card_error", "card_declined", None, Whose.CUSTOMER),
        ("card_error", "a_code_of_next_year", None, Whose.CUSTOMER),
        ("card_error", None, None, Whose.CUSTOMER),
        (INVALID, "a_code_of_next_year", None, Whose.OPERATOR),
        (INVALID, None, None, Whose.OPERATOR),
        (INVALID, "resource_missing", "customer", Whose.OPERATOR),
        (INVALID, "resource_missing", "payment_method", Whose.CUSTOMER),
        (INVALID, None, "payment_method", Whose.CUSTOMER),
        (INVALID, "parameter_missing", "payment_method", Whose.OPERATOR),
        (INVALID, "parameter_unknown", "off_session", Whose.OPERATOR),
        (INVALID, "payment_method_unexpected_state", None, Whose.CUSTOMER),
        (INVALID, "expired_payment_method", "payment_method", Whose.CUSTOMER),
        (INVALID, "amount_too_small", "amount", Whose.OPERATOR),
        (INVALID, "amount_too_large", "amount", Whose.OPERATOR),
        (INVALID, "livemode_mismatch", None, Whose.OPERATOR),
        (INVALID, "testmode_charges_only", None, Whose.OPERATOR),
        (INVALID, "api_key_expired", None, Whose.OPERATOR),
        (INVALID, "capability_not_active", "currency", Whose.OPERATOR),
        (INVALID, "idempotency_key_in_use", None, Whose.UNKNOWN),
        (INVALID, "lock_timeout", None, Whose.UNKNOWN),
        ("idempotency_error", None, None, Whose.UNKNOWN),
        ("api_error", None, None, Whose.UNKNOWN),
        (None, None, None, Whose.UNKNOWN),
    ],
)
def test_whose_a_refusal_is(kind: str | None, code: str | None, param: str | None, expected: Whose) -> None:
    """The customer's, the operator's, or nobody can tell yet."""
    assert whose(kind, code, param) is expected


def test_what_concerns_one_statement_says_what_to_do_with_it() -> None:
    """The others are charged all the same; each refusal has a remedy."""
    assert is_of_one_statement("amount_too_small")
    assert is_of_one_statement(refusals.CUSTOMER_MISSING)
    assert not is_of_one_statement("parameter_unknown")
    assert not is_of_one_statement(None)
    assert "mark the statement as paid" in how_to_fix("amount_too_small")
    assert "payment_gateway" in how_to_fix("a_code_of_next_year")
