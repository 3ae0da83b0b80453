"""Reads the gateway's answers: what a payment intent or an error of Stripe's means as one of our outcomes. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import stripe

from evbilling.errors import BadInput
from evbilling.payments.gateway.amounts import from_gateway
from evbilling.payments.gateway.interface import ChargeResult, Outcome

_LONGEST_MESSAGE = 300
# Ids of customers, payment methods and keys, as messages name them.
_PAYER_ID = re.compile(r"\b(cus|pm|card|src|ba|sk|rk)_[\w*]+")

# Refusals while another request with the same key or object is at work: that one may yet charge.
_ELSEWHERE_AT_WORK = frozenset({"idempotency_key_in_use", "lock_timeout"})


def result_of_charge(intent: Mapping[str, Any], units: int, currency: str) -> ChargeResult:
    """What became of a charge of `units`; a success of another amount is UNKNOWN, for reconciliation to list."""
    result = result_of(intent)
    if result.outcome is not Outcome.SUCCEEDED:
        return result
    received, in_currency = intent.get("amount_received"), intent.get("currency")
    if received == units and in_currency == currency.lower():
        return result
    message = f"{received} {in_currency} was received where {units} {currency.lower()} was asked for"
    return ChargeResult(Outcome.UNKNOWN, result.gateway_payment_id, message=message)


def result_of(intent: Mapping[str, Any]) -> ChargeResult:
    """What the state of a payment intent means."""
    intent_id, status = intent.get("id"), intent.get("status")
    if not isinstance(intent_id, str):
        return ChargeResult(Outcome.UNKNOWN, message="the gateway's answer is no payment")
    failure = mapping_of(intent.get("last_payment_error"))
    match status:
        case "succeeded":
            return ChargeResult(Outcome.SUCCEEDED, intent_id)
        case "requires_action":
            message = "the bank wants the customer to confirm the payment"
            return ChargeResult(Outcome.DECLINED, intent_id, "authentication_required", message=message)
        case "requires_payment_method":
            return _declined(failure, intent_id)
        case "canceled":
            return _declined(failure, intent_id, "canceled")
    return ChargeResult(Outcome.UNKNOWN, intent_id, message=_shortened(f"the payment is {status} at the gateway"))


def result_of_error(error: stripe.StripeError) -> ChargeResult:
    """What an error in answer to a charge means; only a refusal of this very request is DECLINED, all else UNKNOWN."""
    details = details_of(error)
    intent_id = _text(mapping_of(details.get("payment_intent")).get("id"))
    if isinstance(error, stripe.CardError):
        return _declined(details, intent_id)
    if isinstance(error, stripe.InvalidRequestError) and code_of(details) not in _ELSEWHERE_AT_WORK:
        return _declined(details, intent_id, "invalid_request")
    return ChargeResult(Outcome.UNKNOWN, intent_id, message=in_words(error))


def _declined(details: Mapping[str, Any], intent_id: str | None, otherwise: str | None = None) -> ChargeResult:
    """DECLINED with the codes of an error object; some reasons are an error code without a decline code."""
    return ChargeResult(
        Outcome.DECLINED,
        intent_id,
        decline_code=_text(details.get("decline_code")) or code_of(details) or otherwise,
        advice_code=_text(details.get("advice_code")),
        message=_shortened(details.get("message")),
    )


def details_of(error: stripe.StripeError) -> Mapping[str, Any]:
    """The error object of an answer; empty if it has none."""
    return mapping_of(mapping_of(error.json_body).get("error"))


def code_of(details: Mapping[str, Any]) -> str | None:
    """The code of an error object."""
    return _text(details.get("code"))


def in_words(error: stripe.StripeError) -> str:
    """An error in one line."""
    if isinstance(error, stripe.APIConnectionError):
        # The library's own message is three lines on whom to write to.
        return f"no answer ({type(error.__cause__ or error).__name__})"
    status = f"HTTP {error.http_status}, " if error.http_status else ""
    return f"{status}{_shortened(error.user_message) or type(error).__name__}"


def _shortened(message: object) -> str | None:
    """A message in one line of bounded length, since some carry a whole page; without the ids of whom it is about.

    It gets into logs, which everybody with access to Airflow reads.
    """
    if not isinstance(message, str):
        return None
    line = _PAYER_ID.sub(r"\1_…", " ".join(_printable(message).split()))
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[: _LONGEST_MESSAGE - 1]}…"


def _text(value: object) -> str | None:
    return (_printable(value) or None) if isinstance(value, str) else None


def _printable(text: str) -> str:
    """Without what no database keeps: a single NUL or half a surrogate pair would cost us the whole answer."""
    return text.replace("\0", "").encode(errors="ignore").decode()


def mapping_of(value: object) -> Mapping[str, Any]:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def minor_of(units: int, currency: str) -> int:
    """ISO minor units; the gateway's own for what isn't ours and has no ISO unit, so that it can still be listed."""
    try:
        return from_gateway(units, currency)
    except BadInput:
        return units
