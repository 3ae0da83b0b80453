"""Customers and their payment methods."""

from __future__ import annotations

from evbilling_local.sandbox import methods
from evbilling_local.sandbox.forms import Params, metadata_of, only, text_of
from evbilling_local.sandbox.methods import Behaviour
from evbilling_local.sandbox.replies import Answer, Json, Refusal, missing, new_id
from evbilling_local.sandbox.store import Store

CUSTOMER = "customer"
METHOD = "payment_method"
# The outcome of a charge on a method; stored apart from the method because the API doesn't show it.
BEHAVIOUR = "behaviour"

_CUSTOMER_PARAMS = frozenset({
    "id",
    "email",
    "name",
    "description",
    "phone",
    "payment_method",
    "invoice_settings",
    "metadata",
    "expand",
})
_METHOD_PARAMS = frozenset({"type", "card", "billing_details", "metadata", "expand"})


def new_customer(store: Store, customer_id: str, now: int, **fields: object) -> Json:
    """Store a customer and return it."""
    customer: Json = {
        "id": customer_id,
        "object": CUSTOMER,
        "created": now,
        "email": None,
        "name": None,
        "description": None,
        "phone": None,
        "livemode": False,
        "metadata": {},
        "invoice_settings": {"default_payment_method": None},
        **fields,
    }
    store.put(CUSTOMER, customer)
    return customer


def create_customer(store: Store, params: Params, now: int) -> Answer:
    """`POST /v1/customers`."""
    only(params, _CUSTOMER_PARAMS)
    customer_id = text_of(params, "id") or new_id("cus")
    if store.get(CUSTOMER, customer_id):
        message = f"A customer with the id {customer_id!r} exists already."
        raise Refusal(400, message, code="resource_already_exists", param="id")
    texts = {name: text_of(params, name) for name in ("email", "name", "description", "phone")}
    invoicing = params.get("invoice_settings") or {}
    if not isinstance(invoicing, dict):
        raise Refusal(400, "Invalid object: write invoice_settings[name]=value", param="invoice_settings")
    default = text_of(invoicing, "default_payment_method")
    if default:
        behaviour_of(store, default)
    if method_id := text_of(params, "payment_method"):
        attached = _attached(store, method_id, customer_id, now)
        if attached.status != 200:
            return attached
    settings = {"default_payment_method": default}
    made = new_customer(store, customer_id, now, **texts, metadata=metadata_of(params), invoice_settings=settings)
    return Answer(200, made)


def use_customer(store: Store, customer_id: str, now: int, *, adopt: bool) -> None:
    """Return if the customer exists; if it doesn't, `adopt` creates it when it looks like one, else a `Refusal`."""
    if store.get(CUSTOMER, customer_id) is None:
        if not (adopt and customer_id.startswith("cus_")):
            raise missing("customer", customer_id, param="customer")
        new_customer(store, customer_id, now)


def behaviour_of(store: Store, method_id: str) -> Behaviour:
    """The outcome of a charge on a method; a `Refusal` if there is no such method."""
    if kept := store.get(BEHAVIOUR, method_id):
        return Behaviour(kept["reason"], kept["advice_code"], kept["brand"], kept["is_attachable"])
    known = methods.of_test_method(method_id)
    if known is None:
        raise missing("PaymentMethod", method_id, param="payment_method")
    return known


def set_behaviour(store: Store, method_id: str, behaviour: Behaviour) -> None:
    """From now on charges on the method have this outcome; the method needn't exist yet."""
    body = {"reason": behaviour.reason, "advice_code": behaviour.advice_code, "brand": behaviour.brand}
    store.put(BEHAVIOUR, {"id": method_id, **body, "is_attachable": behaviour.is_attachable})


def method_named(store: Store, method_id: str) -> Json:
    """A payment method as the API shows it; a `Refusal` if there is none."""
    return store.get(METHOD, method_id) or _method(method_id, behaviour_of(store, method_id), 0)


def create_method(store: Store, params: Params, now: int) -> Answer:
    """`POST /v1/payment_methods`, from a test token or a test card's number."""
    only(params, _METHOD_PARAMS)
    card = params.get("card")
    if text_of(params, "type") != "card" or not isinstance(card, dict):
        raise Refusal(
            400, "The sandbox makes cards only: give type=card and card[token] or card[number].", param="type"
        )
    token, number = text_of(card, "token"), text_of(card, "number")
    behaviour = methods.of_token(token) if token else methods.of_number(number or "")
    if token and behaviour is None:
        raise missing("token", token, param="card[token]")
    if behaviour is None:
        return Answer(402, {"error": card_error(methods.declining("incorrect_number"))})
    made = _method(new_id("pm"), behaviour, now, metadata=metadata_of(params))
    store.put(METHOD, made)
    set_behaviour(store, made["id"], behaviour)
    return Answer(200, made)


def attach_method(store: Store, method_id: str, params: Params, now: int, *, adopt: bool) -> Answer:
    """`POST /v1/payment_methods/{id}/attach`. A ready-made test method stays as it is: a copy of it is attached."""
    only(params, frozenset({"customer", "expand"}))
    customer_id = text_of(params, "customer")
    if customer_id is None:
        raise Refusal(400, "Missing required param: customer.", code="parameter_missing", param="customer")
    use_customer(store, customer_id, now, adopt=adopt)
    return _attached(store, method_id, customer_id, now)


def _attached(store: Store, method_id: str, customer_id: str, now: int) -> Answer:
    behaviour = behaviour_of(store, method_id)
    if not behaviour.is_attachable:
        return Answer(402, {"error": card_error(behaviour)})
    method = method_named(store, method_id)
    if method["customer"] not in (None, customer_id):
        raise Refusal(400, f"{method_id!r} is attached to another customer.", param="payment_method")
    if methods.of_test_method(method_id):
        method = {**method, "id": new_id("pm"), "created": now}
        set_behaviour(store, method["id"], behaviour)
    method = {**method, "customer": customer_id}
    store.put(METHOD, method)
    return Answer(200, method)


def card_error(behaviour: Behaviour) -> Json:
    """The error object of a decline."""
    named = {
        "type": "card_error",
        "code": behaviour.code,
        "decline_code": behaviour.decline_code,
        "advice_code": behaviour.advice_code,
        "message": behaviour.message,
    }
    return {name: value for name, value in named.items() if value is not None}


def _method(method_id: str, behaviour: Behaviour, now: int, **fields: object) -> Json:
    card = {"brand": behaviour.brand, "last4": "4242", "exp_month": 12, "exp_year": 2040, "funding": "credit"}
    return {
        "id": method_id,
        "object": METHOD,
        "type": "card",
        "card": card,
        "created": now,
        "customer": None,
        "livemode": False,
        "metadata": {},
        **fields,
    }
