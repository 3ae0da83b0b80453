"""Disputes of a charge, decided by the control API; and what is listed by its payment, as Stripe does."""

from __future__ import annotations

from evbilling_local.sandbox.forms import Params, only, text_of
from evbilling_local.sandbox.intents import CHARGE, intent_named
from evbilling_local.sandbox.listing import window_of
from evbilling_local.sandbox.replies import Answer, Json, Refusal, new_id
from evbilling_local.sandbox.store import Store, Window

DISPUTE = "dispute"
STATES = (
    "warning_needs_response",
    "warning_under_review",
    "warning_closed",
    "needs_response",
    "under_review",
    "won",
    "lost",
    "prevented",
)
_PARAMS = frozenset({"limit", "starting_after", "ending_before", "created", "expand", "payment_intent", "charge"})
_MOST = 1_000_000


def dispute_intent(store: Store, intent_id: str, status: str, amount: int | None, now: int) -> Json:
    """Dispute a payment, in full or an amount of it, or move its dispute to another state; returns the dispute."""
    if status not in STATES:
        raise Refusal(400, f"The status is one of {', '.join(STATES)}.", param="status")
    charge = store.get(CHARGE, str(intent_named(store, intent_id)["latest_charge"]))
    if charge is None or not charge["paid"]:
        raise Refusal(400, f"{intent_id} was never paid, so it can't be disputed.", param="intent")
    found = next((one for one in _all(store, DISPUTE) if one["charge"] == charge["id"]), None)
    dispute = found or {
        "id": new_id("dp"),
        "object": DISPUTE,
        "amount": charge["amount"] if amount is None else amount,
        "charge": charge["id"],
        "created": now,
        "currency": charge["currency"],
        "livemode": False,
        "metadata": {},
        "payment_intent": intent_id,
        "reason": "general",
    }
    store.put(DISPUTE, {**dispute, "status": status})
    store.put(CHARGE, {**charge, "disputed": True})
    return {**dispute, "status": status}


def list_of_payment(store: Store, kind: str, path: str, params: Params) -> Answer:
    """`GET /v1/disputes` or `/v1/refunds`, of one payment or charge if it is named."""
    only(params, _PARAMS)
    window = window_of({name: value for name, value in params.items() if name not in ("payment_intent", "charge")})
    wanted = {name: text for name in ("payment_intent", "charge") if (text := text_of(params, name))}
    if not wanted:
        page = store.page(kind, window)
        found, has_more = page or ([], False)
    else:
        every = [one for one in _all(store, kind) if all(one[name] == text for name, text in wanted.items())]
        found, has_more = every[: window.limit], len(every) > window.limit
    return Answer(200, {"object": "list", "url": path, "has_more": has_more, "data": found})


def _all(store: Store, kind: str) -> list[Json]:
    page = store.page(kind, Window(_MOST))
    return page[0] if page else []
