"""At most one execution for an idempotency key: the first answer is kept, and repeated for every later request."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator
from contextlib import contextmanager

from evbilling_local.sandbox.replies import Answer, Refusal
from evbilling_local.sandbox.store import Store

_LONGEST_KEY = 255


def fingerprint(path: str, pairs: list[tuple[str, str]]) -> str:
    """A hash that is equal for equal requests: same path, same parameters in any order."""
    return hashlib.sha256(json.dumps([path, sorted(pairs)]).encode()).hexdigest()


@contextmanager
def key_in_use(keys: set[str], key: str | None) -> Generator[None]:
    """Inside, the key is among `keys`; a `Refusal` if another request executes with it, or if it is too long."""
    if key and len(key) > _LONGEST_KEY:
        raise Refusal(400, f"An idempotency key has at most {_LONGEST_KEY} characters.", param="idempotency_key")
    if key in keys:
        raise Refusal(
            409,
            f"Another request with the idempotency key {key!r} is still being executed.",
            code="idempotency_key_in_use",
            kind="idempotency_error",
            headers={"Stripe-Should-Retry": "true"},
        )
    if key:
        keys.add(key)
    try:
        yield
    finally:
        keys.discard(key or "")


def recall(store: Store, key: str, mark: str, since: float) -> Answer | None:
    """The answer that was given for a key at `since` or later; a `Refusal` if that was for another request."""
    kept = store.answer_for(key, since)
    if kept is None:
        return None
    kept_mark, status, body = kept
    if kept_mark != mark:
        raise Refusal(
            400,
            f"The idempotency key {key!r} was used for another request. Use a new key.",
            kind="idempotency_error",
        )
    headers = {"Idempotent-Replayed": "true"}
    if status >= 500:
        headers["Stripe-Should-Retry"] = "false"
    return Answer(status, json.loads(body), headers)


def remember(store: Store, key: str, mark: str, answer: Answer, now: float) -> None:
    """Keep an answer for its key; to be called in the transaction of what it answers."""
    store.keep_answer(key, mark, answer.status, json.dumps(answer.body), now)
