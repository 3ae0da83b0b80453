"""The gateway's messages as they are kept and logged: one line, not too long, and without the ids of payers."""

from __future__ import annotations

import pytest
import stripe

from evbilling.payments.gateway.stripe_answers import in_words, result_of_error


def refusal(message: str) -> stripe.InvalidRequestError:
    body = {"error": {"code": "resource_missing", "message": message, "type": "invalid_request_error"}}
    return stripe.InvalidRequestError(message, "customer", json_body=body, http_status=400)


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("No such customer: 'cus_a00001'; a similar object", "No such customer: 'cus_…'; a similar object"),
        ("No such PaymentMethod: 'pm_1Qx9_y'", "No such PaymentMethod: 'pm_…'"),
        ("The source card_1Abc of cus_2 has no", "The source card_… of cus_… has no"),
        ("Invalid API Key provided: sk_test_****3dc4", "Invalid API Key provided: sk_…"),
        ("pi_3Abc has succeeded,\n see it", "pi_3Abc has succeeded, see it"),
    ],
)
def test_a_message_names_no_payer(message: str, kept: str) -> None:
    """Customers, payment methods and keys are left out; the payment's own id stays."""
    assert in_words(refusal(message)) == f"HTTP 400, {kept}"
    assert kept in (result_of_error(refusal(message)).message or "")
