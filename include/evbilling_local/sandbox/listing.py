"""Lists, newest first, page by page; and objects in full in place of their ids."""

from __future__ import annotations

from evbilling_local.sandbox.customers import CUSTOMER, METHOD, method_named
from evbilling_local.sandbox.forms import Params, list_of, only, text_of, whole_of
from evbilling_local.sandbox.intents import CHARGE, INTENT
from evbilling_local.sandbox.replies import Answer, Json, Refusal, missing
from evbilling_local.sandbox.store import Store, Window

_MOST = 100
_USUAL = 10
_PARAMS = frozenset({"limit", "starting_after", "ending_before", "created", "expand"})
_EXPANDABLE = {INTENT: {"latest_charge": CHARGE, CUSTOMER: CUSTOMER, METHOD: METHOD}, CHARGE: {INTENT: INTENT}}


def list_objects(store: Store, kind: str, path: str, params: Params) -> Answer:
    """A page of a list, as `GET /v1/payment_intents` answers it."""
    only(params, _PARAMS if kind == CUSTOMER else _PARAMS | {"customer"})
    window = window_of(params)
    page = store.page(kind, window)
    if page is None:
        cursor = "starting_after" if window.starting_after else "ending_before"
        raise missing(kind, str(params[cursor]), param=cursor)
    found, has_more = page
    wanted = [_under_data(name) for name in list_of(params, "expand")]
    data = [expanded(store, body, wanted) for body in found]
    return Answer(200, {"object": "list", "url": path, "has_more": has_more, "data": data})


def window_of(params: Params) -> Window:
    """What of a list is asked for; a `Refusal` if that makes no sense."""
    limit = whole_of(params, "limit")
    if limit is not None and not 1 <= limit <= _MOST:
        raise Refusal(400, f"The limit is from 1 to {_MOST}.", code="parameter_invalid_integer", param="limit")
    after, before = text_of(params, "starting_after"), text_of(params, "ending_before")
    if after and before:
        raise Refusal(400, "Give starting_after or ending_before, not both.", param="ending_before")
    earliest, latest = _bounds(params)
    return Window(limit or _USUAL, text_of(params, "customer"), earliest, latest, after, before)


def _bounds(params: Params) -> tuple[int | None, int | None]:
    created = params.get("created")
    if not isinstance(created, dict):
        exact = whole_of(params, "created")
        return exact, exact
    only(created, frozenset({"gt", "gte", "lt", "lte"}))
    gt, gte, lt, lte = (whole_of(created, name) for name in ("gt", "gte", "lt", "lte"))
    lower = [bound for bound in (gte, None if gt is None else gt + 1) if bound is not None]
    upper = [bound for bound in (lte, None if lt is None else lt - 1) if bound is not None]
    return max(lower, default=None), min(upper, default=None)


def expanded(store: Store, body: Json, names: list[str]) -> Json:
    """The object with the named ids replaced by their objects; a `Refusal` if a name can't be."""
    for name in names:
        kinds = _EXPANDABLE.get(body.get("object", ""), {})
        if name not in kinds:
            raise Refusal(400, f"This property can't be expanded: {name}", param="expand")
        if (object_id := body[name]) is not None:
            kind = kinds[name]
            whole = method_named(store, object_id) if kind == METHOD else store.get(kind, object_id)
            body = {**body, name: whole}
    return body


def _under_data(name: str) -> str:
    if not name.startswith("data."):
        raise Refusal(400, f"In a list, expand data.{name} instead of {name}.", param="expand")
    return name.removeprefix("data.")
