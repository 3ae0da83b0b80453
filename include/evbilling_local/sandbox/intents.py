"""PaymentIntents: made, confirmed, canceled; each confirmation leaves a charge, paid or failed."""

from __future__ import annotations

from evbilling_local.sandbox import methods
from evbilling_local.sandbox.amounts import check_amount, check_currency
from evbilling_local.sandbox.customers import METHOD, behaviour_of, card_error, method_named, use_customer
from evbilling_local.sandbox.forms import Params, flag_of, metadata_of, only, text_of, whole_of
from evbilling_local.sandbox.methods import Behaviour
from evbilling_local.sandbox.replies import Answer, Json, Refusal, missing, new_id
from evbilling_local.sandbox.store import Store

INTENT = "payment_intent"
CHARGE = "charge"

_ON_CONFIRMATION = frozenset({"off_session", "error_on_requires_action", "return_url"})
_SHOWN = ("description", "receipt_email", "statement_descriptor", "statement_descriptor_suffix", "transfer_group")
_CREATE_PARAMS = _ON_CONFIRMATION.union(
    ("amount", "currency", "customer", "payment_method", "confirm", "metadata", "expand", "capture_method"),
    ("confirmation_method", "payment_method_types", "automatic_payment_methods", "setup_future_usage", *_SHOWN),
)
_CONFIRM_PARAMS = _ON_CONFIRMATION | {"payment_method", "expand"}
_SESSION = ("true", "false", "one_off", "recurring")


def create_intent(store: Store, params: Params, now: int, *, adopt: bool) -> Answer:
    """`POST /v1/payment_intents`: 200 with the intent, or 402 if it was confirmed at once and declined."""
    only(params, _CREATE_PARAMS)
    confirm = flag_of(params, "confirm")
    early = sorted(_ON_CONFIRMATION.intersection(params))
    if early and not confirm:
        raise Refusal(400, f"{early[0]} can only be given together with confirm=true.", param=early[0])
    if (text_of(params, "capture_method") or "automatic") not in ("automatic", "automatic_async"):
        raise Refusal(400, "The sandbox captures every payment automatically.", param="capture_method")
    intent = new_intent(store, params, now, adopt=adopt)
    if confirm:
        return _confirm(store, intent, params, now)
    store.put(INTENT, intent)
    return Answer(200, intent)


def new_intent(store: Store, params: Params, now: int, *, adopt: bool) -> Json:
    """An intent that isn't stored yet, of parameters that were found to be right; else a `Refusal`."""
    amount, currency = whole_of(params, "amount"), text_of(params, "currency")
    for name, value in (("amount", amount), ("currency", currency)):
        if value is None:
            raise Refusal(400, f"Missing required param: {name}.", code="parameter_missing", param=name)
    check_currency(str(currency))
    check_amount(int(amount or 0), str(currency))
    customer_id, method_id = text_of(params, "customer"), text_of(params, "payment_method")
    metadata = metadata_of(params)
    if method_id:
        _check_method(store, method_id, customer_id)
    if customer_id:
        use_customer(store, customer_id, now, adopt=adopt)
    intent_id = new_id("pi")
    return {
        "id": intent_id,
        "object": INTENT,
        "amount": amount,
        "amount_capturable": 0,
        "amount_received": 0,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic",
        "client_secret": f"{intent_id}_secret",
        "confirmation_method": "automatic",
        "created": now,
        "currency": currency,
        "customer": customer_id,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": metadata,
        "next_action": None,
        "payment_method": method_id,
        "payment_method_types": ["card"],
        "status": "requires_confirmation" if method_id else "requires_payment_method",
        **{name: text_of(params, name) for name in _SHOWN},
    }


def confirm_intent(store: Store, intent_id: str, params: Params, now: int) -> Answer:
    """`POST /v1/payment_intents/{id}/confirm`, with another payment method if one is given."""
    only(params, _CONFIRM_PARAMS)
    intent = intent_named(store, intent_id)
    if intent["status"] not in ("requires_confirmation", "requires_payment_method", "requires_action"):
        raise _wrong_state(intent, "confirmed")
    if method_id := text_of(params, "payment_method"):
        _check_method(store, method_id, intent["customer"])
        intent = {**intent, "payment_method": method_id}
    return _confirm(store, intent, params, now)


def cancel_intent(store: Store, intent_id: str, params: Params, now: int) -> Answer:
    """`POST /v1/payment_intents/{id}/cancel`."""
    only(params, frozenset({"cancellation_reason", "expand"}))
    intent = intent_named(store, intent_id)
    if intent["status"] in ("succeeded", "canceled"):
        raise _wrong_state(intent, "canceled")
    reason = text_of(params, "cancellation_reason")
    canceled = {**intent, "status": "canceled", "canceled_at": now, "cancellation_reason": reason, "next_action": None}
    store.put(INTENT, canceled)
    return Answer(200, canceled)


def intent_named(store: Store, intent_id: str, *, status: int = 404, param: str = "intent") -> Json:
    """An intent; a `Refusal` if there is none."""
    found = store.get(INTENT, intent_id)
    if found is None:
        raise missing(INTENT, intent_id, param=param, status=status)
    return found


def paid(store: Store, intent: Json, behaviour: Behaviour, now: int) -> Json:
    """Store the intent as succeeded, with its charge, and return it."""
    charge = _charge(intent, behaviour, now, is_paid=True)
    store.put(CHARGE, charge)
    done = {
        **intent,
        "status": "succeeded",
        "amount_received": intent["amount"],
        "latest_charge": charge["id"],
        "last_payment_error": None,
        "next_action": None,
    }
    store.put(INTENT, done)
    return done


def _confirm(store: Store, intent: Json, params: Params, now: int) -> Answer:
    off_session = text_of(params, "off_session") or "false"
    if off_session not in _SESSION:
        raise Refusal(400, f"Invalid off_session: {off_session}", param="off_session")
    must_not_ask = flag_of(params, "error_on_requires_action") or off_session != "false"
    if not intent["payment_method"]:
        message = "A PaymentIntent without a payment method can't be confirmed: give payment_method."
        raise Refusal(400, message, code="payment_intent_unexpected_state", param="payment_method")
    behaviour = behaviour_of(store, intent["payment_method"])
    if behaviour.reason is None:
        return Answer(200, paid(store, intent, behaviour, now))
    if behaviour.reason == methods.AUTHENTICATION_REQUIRED and not must_not_ask:
        waiting = {**intent, "status": "requires_action", "next_action": {"type": "use_stripe_sdk"}}
        store.put(INTENT, waiting)
        return Answer(200, waiting)
    return _declined(store, intent, behaviour, now)


def _declined(store: Store, intent: Json, behaviour: Behaviour, now: int) -> Answer:
    charge = _charge(intent, behaviour, now, is_paid=False)
    store.put(CHARGE, charge)
    error = {
        **card_error(behaviour),
        "charge": charge["id"],
        "payment_method": method_named(store, intent["payment_method"]),
    }
    failed = {
        **intent,
        "status": "requires_payment_method",
        "payment_method": None,
        "latest_charge": charge["id"],
        "last_payment_error": error,
        "next_action": None,
    }
    store.put(INTENT, failed)
    return Answer(402, {"error": {**error, "payment_intent": failed}})


def _charge(intent: Json, behaviour: Behaviour, now: int, *, is_paid: bool) -> Json:
    return {
        "id": new_id("ch"),
        "object": CHARGE,
        "amount": intent["amount"],
        "amount_captured": intent["amount"] if is_paid else 0,
        "amount_refunded": 0,
        "captured": is_paid,
        "created": now,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_code": None if is_paid else behaviour.code,
        "failure_message": None if is_paid else behaviour.message,
        "livemode": False,
        "metadata": intent["metadata"],
        "paid": is_paid,
        "payment_intent": intent["id"],
        "payment_method": intent["payment_method"],
        "refunded": False,
        "status": "succeeded" if is_paid else "failed",
    }


def _check_method(store: Store, method_id: str, customer_id: str | None) -> None:
    behaviour_of(store, method_id)
    owner = (store.get(METHOD, method_id) or {}).get("customer")
    if owner is not None and owner != customer_id:
        message = f"The payment method {method_id!r} belongs to another customer than the one that is charged."
        raise Refusal(400, message, code="resource_missing", param="payment_method")


def _wrong_state(intent: Json, wish: str) -> Refusal:
    message = f"A PaymentIntent that is {intent['status']} can't be {wish}."
    return Refusal(400, message, code="payment_intent_unexpected_state")
