"""Which function answers which path of `/v1`."""

from __future__ import annotations

from urllib.parse import unquote

from evbilling_local.sandbox.customers import CUSTOMER, attach_method, create_customer, create_method, method_named
from evbilling_local.sandbox.disputes import DISPUTE, list_of_payment
from evbilling_local.sandbox.forms import Params, list_of, only
from evbilling_local.sandbox.intents import CHARGE, INTENT, cancel_intent, confirm_intent, create_intent
from evbilling_local.sandbox.listing import expanded, list_objects
from evbilling_local.sandbox.refunds import REFUND, create_refund
from evbilling_local.sandbox.replies import Answer, Refusal, missing
from evbilling_local.sandbox.store import Store

_LISTED = {"payment_intents": INTENT, "customers": CUSTOMER, "charges": CHARGE, "refunds": REFUND}
_ACCOUNT = {"id": "acct_sandbox", "object": "account", "charges_enabled": True, "email": None, "metadata": {}}
_BALANCE = {"object": "balance", "livemode": False, "available": [], "pending": []}


def read(store: Store, method: str, path: str, params: Params) -> Answer:
    """The answer to a request that changes nothing; a `Refusal` if there is no such thing."""
    match (method, *_parts(path)):
        case ("GET", "v1", "account"):
            return Answer(200, dict(_ACCOUNT))
        case ("GET", "v1", "balance"):
            return Answer(200, dict(_BALANCE))
        case ("GET", "v1", "payment_methods", method_id):
            return Answer(200, method_named(store, method_id))
        case ("GET", "v1", "disputes" | "refunds" as plural):
            return list_of_payment(store, DISPUTE if plural == "disputes" else REFUND, path, params)
        case ("GET", "v1", plural) if plural in _LISTED:
            return list_objects(store, _LISTED[plural], path, params)
        case ("GET", "v1", plural, object_id) if plural in _LISTED:
            only(params, frozenset({"expand"}))
            kind = _LISTED[plural]
            found = store.get(kind, object_id)
            if found is None:
                raise missing(kind, object_id, param="intent" if kind == INTENT else "id", status=404)
            return Answer(200, expanded(store, found, list_of(params, "expand")))
    raise _unknown(method, path)


def change(store: Store, path: str, params: Params, now: int, *, adopt: bool) -> Answer:
    """Execute a POST; a `Refusal` if it isn't valid. To be called inside a transaction."""
    match _parts(path):
        case ("v1", "payment_intents"):
            return create_intent(store, params, now, adopt=adopt)
        case ("v1", "payment_intents", intent_id, "confirm"):
            return confirm_intent(store, intent_id, params, now)
        case ("v1", "payment_intents", intent_id, "cancel"):
            return cancel_intent(store, intent_id, params, now)
        case ("v1", "refunds"):
            return create_refund(store, params, now)
        case ("v1", "customers"):
            return create_customer(store, params, now)
        case ("v1", "payment_methods"):
            return create_method(store, params, now)
        case ("v1", "payment_methods", method_id, "attach"):
            return attach_method(store, method_id, params, now, adopt=adopt)
    raise _unknown("POST", path)


def endpoint_name(method: str, path: str) -> str:
    """A request's method and path, with `{id}` in place of an id."""
    parts = _parts(path)
    return f"{method} /{'/'.join('{id}' if place == 2 else part for place, part in enumerate(parts))}"


def _parts(path: str) -> tuple[str, ...]:
    return tuple(unquote(part) for part in path.strip("/").split("/"))


def _unknown(method: str, path: str) -> Refusal:
    return Refusal(404, f"Unrecognized request URL ({method}: {path}): the sandbox has only a part of the API.")
