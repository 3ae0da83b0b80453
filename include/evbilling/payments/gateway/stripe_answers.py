"""Reads the gateway's answers: what a payment intent or an error of Stripe's means as one of our outcomes. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import stripe

from evbilling.errors import BadInput
from evbilling.payments.gateway.amounts import from_gateway
from evbilling.payments.gateway.interface import ChargeResult, Dispute, Outcome, RefundResult
from evbilling.payments.gateway.refusals import CUSTOMER_MISSING, INVALID_REQUEST, Whose, whose

_LONGEST_MESSAGE = 300
# Ids of customers, payment methods and keys, as messages name them.
_PAYER_ID = re.compile(r"\b(cus|pm|card|src|ba|sk|rk)_[\w*]+")

_DISPUTES = {
    "lost": Dispute.LOST,
    "won": Dispute.WON,
    "warning_closed": Dispute.WON,
    "prevented": Dispute.WON,
}


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


def result_of_refund(refund: Mapping[str, Any]) -> RefundResult:
    """What the state of a refund means; one under way at the bank isn't known yet."""
    refund_id, status = refund.get("id"), refund.get("status")
    if not isinstance(refund_id, str):
        return RefundResult(Outcome.UNKNOWN, message="the gateway's answer is no refund")
    outcome = {"succeeded": Outcome.SUCCEEDED, "failed": Outcome.REFUSED, "canceled": Outcome.REFUSED}.get(str(status))
    if outcome is None:
        return RefundResult(Outcome.UNKNOWN, refund_id, _shortened(f"the refund is {status} at the gateway"))
    return RefundResult(outcome, refund_id, None if outcome is Outcome.SUCCEEDED else f"the refund {status}")


def result_of_error(error: stripe.StripeError) -> ChargeResult:
    """What an error in answer to a charge means: DECLINED or REFUSED only if it says that nothing was charged."""
    details = details_of(error)
    intent_id = _text(mapping_of(details.get("payment_intent")).get("id"))
    # The class is by the HTTP status: some servers leave out the type.
    kind = {stripe.CardError: "card_error", stripe.InvalidRequestError: "invalid_request_error"}.get(type(error))
    code, param = code_of(details), _text(details.get("param"))
    match whose(kind, code, param):
        case Whose.CUSTOMER:
            # Of an invalid request without a code: the payment method is gone.
            return _declined(details, intent_id, None if kind == "card_error" else "resource_missing")
        case Whose.OPERATOR:
            is_customer = code == "resource_missing" and param == "customer"
            return ChargeResult(
                Outcome.REFUSED,
                intent_id,
                decline_code=CUSTOMER_MISSING if is_customer else code or INVALID_REQUEST,
                message=in_words(error),
            )
    return ChargeResult(Outcome.UNKNOWN, intent_id, message=in_words(error))


def dispute_of(disputes: Sequence[Mapping[str, Any]]) -> tuple[Dispute | None, int]:
    """How the disputes of one payment stand together, and the gateway's units that are lost, or else at stake."""
    states = [(_DISPUTES.get(str(one.get("status")), Dispute.OPENED), one.get("amount")) for one in disputes]
    for state in (Dispute.LOST, Dispute.OPENED, Dispute.WON):
        amounts = [amount for found, amount in states if found is state and isinstance(amount, int)]
        if amounts:
            return state, sum(amounts)
    return None, 0


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
