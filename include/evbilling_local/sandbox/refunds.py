"""Refunds of a succeeded payment, whole or in parts."""

from __future__ import annotations

from evbilling_local.sandbox.forms import Params, metadata_of, only, text_of, whole_of
from evbilling_local.sandbox.intents import CHARGE, intent_named
from evbilling_local.sandbox.replies import Answer, Json, Refusal, missing, new_id
from evbilling_local.sandbox.store import Store

REFUND = "refund"

_PARAMS = frozenset({"payment_intent", "charge", "amount", "reason", "metadata", "expand"})


def create_refund(store: Store, params: Params, now: int) -> Answer:
    """`POST /v1/refunds` of an intent or charge; what is left of it if no amount is given."""
    only(params, _PARAMS)
    charge = _charge_of(store, params)
    left = charge["amount_captured"] - charge["amount_refunded"]
    amount = whole_of(params, "amount")
    if not charge["paid"] or left <= 0:
        message = f"The charge {charge['id']} has nothing left to refund."
        raise Refusal(400, message, code="charge_already_refunded", param="amount")
    amount = left if amount is None else amount
    if not 1 <= amount <= left:
        message = f"A refund of {amount} isn't between 1 and the {left} that are left."
        raise Refusal(400, message, code="amount_too_large" if amount > left else None, param="amount")
    refunded = charge["amount_refunded"] + amount
    whole = refunded == charge["amount_captured"]
    store.put(CHARGE, {**charge, "amount_refunded": refunded, "refunded": whole})
    refund = {
        "id": new_id("re"),
        "object": REFUND,
        "amount": amount,
        "charge": charge["id"],
        "created": now,
        "currency": charge["currency"],
        "metadata": metadata_of(params),
        "payment_intent": charge["payment_intent"],
        "reason": text_of(params, "reason"),
        "status": "succeeded",
    }
    store.put(REFUND, refund)
    return Answer(200, refund)


def _charge_of(store: Store, params: Params) -> Json:
    intent_id, charge_id = text_of(params, "payment_intent"), text_of(params, "charge")
    if intent_id:
        charge_id = intent_named(store, intent_id, param="payment_intent")["latest_charge"]
        if charge_id is None:
            raise Refusal(400, f"{intent_id} has no charge that could be refunded.", param="payment_intent")
    if charge_id is None:
        raise Refusal(400, "Give payment_intent or charge.", code="parameter_missing", param="payment_intent")
    charge = store.get(CHARGE, charge_id)
    if charge is None:
        raise missing(CHARGE, charge_id, param="charge", status=404)
    return charge
