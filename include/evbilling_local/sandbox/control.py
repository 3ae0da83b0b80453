"""The control API under `/_sandbox`: faults, what methods do, tampering with payments, disputes, requests counted."""

from __future__ import annotations

import json
from typing import Any

from evbilling_local.sandbox import methods
from evbilling_local.sandbox.api import Api
from evbilling_local.sandbox.customers import BEHAVIOUR, behaviour_of, set_behaviour
from evbilling_local.sandbox.disputes import dispute_intent
from evbilling_local.sandbox.faults import Dice, plan_from_json
from evbilling_local.sandbox.intents import INTENT, intent_named, new_intent, paid
from evbilling_local.sandbox.methods import Behaviour
from evbilling_local.sandbox.replies import Json, Refusal, missing

_STATUSES = (
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
    "processing",
    "requires_capture",
    "canceled",
    "succeeded",
)
_TAMPERED = frozenset({"status", "amount", "amount_received", "currency", "customer", "metadata", "created"})
_MADE = frozenset({"amount", "currency", "customer", "payment_method", "description", "metadata", "created"})


def answer(api: Api, method: str, path: str, body: str) -> Json:
    """The answer to a control request for the `path` below `/_sandbox/`; raises `Refusal` or `BadInput`."""
    sent = _decoded(body)
    parts = path.split("/")
    match (method, *parts):
        case ("GET", "health"):
            return {"status": "ok", "payment_intents": api.store.count(INTENT), "state": str(api.store.path)}
        case ("GET", "faults"):
            return api.dice.as_json()
        case ("PUT", "faults"):
            api.dice = Dice(plan_from_json(sent))
            return api.dice.as_json()
        case ("GET", "requests"):
            return api.traffic.summary()
        case ("DELETE", "requests"):
            api.traffic.reset()
            return api.traffic.summary()
        case ("PUT", "methods", method_id):
            return set_method(api, method_id, sent)
        case ("DELETE", "methods", method_id):
            with api.store.transaction():
                return {"id": method_id, "deleted": api.store.delete(BEHAVIOUR, method_id)}
        case ("POST", "intents", intent_id):
            return tamper(api, intent_id, sent)
        case ("DELETE", "intents", intent_id):
            return delete_intent(api, intent_id)
        case ("POST", "disputes", intent_id):
            return dispute(api, intent_id, sent)
        case ("POST", "payments"):
            return make_payment(api, sent)
    raise Refusal(404, f"There is no {method} /_sandbox/{path}.")


def set_method(api: Api, method_id: str, sent: Json) -> Json:
    """From now on charges on the method decline with `decline_code`, or succeed if that is null."""
    _only(sent, frozenset({"decline_code", "advice_code"}))
    reason, advice = sent.get("decline_code"), sent.get("advice_code")
    if not isinstance(reason, str | None) or not isinstance(advice, str | None) or reason == "":
        raise Refusal(400, "decline_code and advice_code are texts or null.")
    with api.store.transaction():
        wanted = methods.declining(reason, advice)
        set_behaviour(api.store, method_id, wanted)
    return {
        "id": method_id,
        "code": wanted.code if reason else None,
        "decline_code": reason,
        "advice_code": wanted.advice_code,
    }


def tamper(api: Api, intent_id: str, sent: Json) -> Json:
    """Change the fields of a PaymentIntent, without a charge or refund; returns the intent."""
    _only(sent, _TAMPERED)
    if sent.get("status", "succeeded") not in _STATUSES:
        raise Refusal(400, f"The status is one of {', '.join(_STATUSES)}.", param="status")
    _check_types(sent)
    with api.store.transaction():
        changed = {**intent_named(api.store, intent_id), **sent}
        api.store.put(INTENT, changed)
    return changed


def dispute(api: Api, intent_id: str, sent: Json) -> Json:
    """Dispute a payment, or move its dispute on: {"status", "amount"}, the amount in the currency's units or null."""
    _only(sent, frozenset({"status", "amount"}))
    amount = sent.get("amount")
    if amount is not None:
        _check_types({"amount": amount})
    with api.store.transaction():
        return dispute_intent(api.store, intent_id, str(sent.get("status", "needs_response")), amount, api.now())


def delete_intent(api: Api, intent_id: str) -> Json:
    """Delete a PaymentIntent. The answer that was kept for its key stays."""
    with api.store.transaction():
        if not api.store.delete(INTENT, intent_id):
            raise missing(INTENT, intent_id, status=404)
    return {"id": intent_id, "deleted": True}


def make_payment(api: Api, sent: Json) -> Json:
    """A succeeded PaymentIntent that no request created; returns it."""
    _only(sent, _MADE)
    _check_types(sent)
    params = {"payment_method": "pm_card_visa", **{name: value for name, value in sent.items() if name != "created"}}
    params["amount"] = str(params.get("amount", ""))
    now = int(sent.get("created", api.now()))
    with api.store.transaction():
        intent = new_intent(api.store, params, now, adopt=True)
        method_id = intent["payment_method"]
        behaviour = behaviour_of(api.store, method_id) if method_id else Behaviour()
        return paid(api.store, intent, behaviour, now)


def _decoded(body: str) -> Json:
    try:
        sent: Any = json.loads(body or "{}")
    except ValueError as error:
        raise Refusal(400, f"The body isn't JSON: {error}") from None
    if not isinstance(sent, dict):
        raise Refusal(400, "The body must be a JSON object.")
    return sent


def _only(sent: Json, known: frozenset[str]) -> None:
    if unknown := sorted(set(sent) - known):
        raise Refusal(400, f"{', '.join(unknown)} can't be given here; known are {', '.join(sorted(known))}.")


def _check_types(sent: Json) -> None:
    for name, value in sent.items():
        if name in ("amount", "amount_received", "created"):
            is_right = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
        elif name == "metadata":
            is_right = isinstance(value, dict) and all(isinstance(entry, str) for entry in value.values())
        else:
            is_right = isinstance(value, str) or (value is None and name == "customer")
        if not is_right:
            raise Refusal(400, f"{name} can't be {value!r}.", param=name)
