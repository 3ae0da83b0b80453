"""The `/v1` API: who may ask, which fault a request meets, what is executed, and what is kept for its key."""

from __future__ import annotations

import asyncio
import base64
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from starlette.requests import Request

from evbilling_local.sandbox import faults
from evbilling_local.sandbox.customers import use_customer
from evbilling_local.sandbox.faults import Dice, FaultPlan
from evbilling_local.sandbox.forms import list_of, nested, pairs_of
from evbilling_local.sandbox.idempotency import fingerprint, key_in_use, recall, remember
from evbilling_local.sandbox.listing import expanded
from evbilling_local.sandbox.replies import Answer, Refusal, new_id, server_error
from evbilling_local.sandbox.routes import change, endpoint_name, read
from evbilling_local.sandbox.store import Store
from evbilling_local.sandbox.traffic import Limit, Traffic

DAY = 86_400.0
TEST_KEY = "sk_test_"

# Creating or confirming a payment.
_CHARGE = re.compile(r"/v1/payment_intents(/.*/confirm)?")
# Looking for a customer that would be created by a charge.
_CUSTOMER = re.compile(r"/v1/customers/(cus_[^/]+)")


@dataclass(frozen=True)
class Reply:
    """What goes back: an answer, or nothing but a closed connection; `fault` is what was done on purpose."""

    answer: Answer | None
    fault: str | None = None
    is_nonsense: bool = False


@dataclass(frozen=True)
class Rules:
    """How strict the sandbox is. `key` is the only secret key taken, `limit` the requests taken a second."""

    key: str | None = None
    adopt_customers: bool = True
    limit: float | None = None
    key_ttl: float = DAY
    clock: Callable[[], float] = time.time


class Api:
    """Answers API requests out of a store. Runs on one event loop: between two awaits nothing else happens."""

    def __init__(self, store: Store, rules: Rules, plan: FaultPlan) -> None:
        self.store = store
        self.rules = rules
        self.traffic = Traffic()
        self.dice = Dice(plan)
        # Every wait ends at once when the sandbox stops.
        self.closing = asyncio.Event()
        self._limit = Limit(rules.limit)
        self._keys_in_use: set[str] = set()
        with store.transaction():
            store.forget_answers(rules.clock() - rules.key_ttl)

    def now(self) -> int:
        """The second that new objects are created in."""
        return int(self.rules.clock())

    async def handle(self, request: Request, body: str) -> Reply:
        """Execute a request, or meet its fault."""
        self.traffic.arrived()
        path = path_of(request)
        key = request.headers.get("idempotency-key")
        fault: str | None = None
        answer: Answer | None
        try:
            self._check_key(request.headers.get("authorization", ""))
            if not self._limit.admits():
                raise _too_many()
            plan = self.dice.plan
            is_charge = request.method == "POST" and _CHARGE.fullmatch(path) is not None
            fault = self.dice.next_fault(key or path, is_charge=is_charge, is_read=request.method == "GET")
            if fault == faults.RATE_LIMIT:
                raise _too_many()
            if fault == faults.INVALID_REQUEST:
                raise Refusal(400, "Received unknown parameter: off_session", code="parameter_unknown")
            if fault == faults.UNAUTHORIZED:
                raise Refusal(401, "Expired API Key provided", code="api_key_expired")
            if fault in (faults.TIMEOUT_BEFORE, faults.DROP_BEFORE):
                answer = None
            elif request.method == "POST":
                answer = await self._post(request, path, body, fault, plan)
            else:
                answer = await self._get(request, path, fault, plan)
            if fault in (faults.TIMEOUT_BEFORE, faults.TIMEOUT_AFTER):
                await self._wait(plan.hold_seconds)
        except Refusal as refusal:
            answer = refusal.answer
        if fault in (faults.TIMEOUT_AFTER, faults.DROP_AFTER):
            answer = None
        if answer is not None:
            headers = {"Request-Id": new_id("req"), **answer.headers} | ({"Idempotency-Key": key} if key else {})
            answer = Answer(answer.status, answer.body, headers)
        is_nonsense = fault == faults.NONSENSE and answer is not None
        status = 200 if is_nonsense else answer.status if answer else None
        self.traffic.answered(endpoint_name(request.method, path), status, fault)
        return Reply(answer, fault, is_nonsense)

    async def _get(self, request: Request, path: str, fault: str | None, plan: FaultPlan) -> Answer:
        await self._wait(plan.slow_seconds if fault == faults.SLOW else 0)
        if fault in (faults.ERROR_500_BEFORE, faults.ERROR_500_AFTER):
            return server_error()
        if self.rules.adopt_customers and (customer := _CUSTOMER.fullmatch(path)):
            with self.store.transaction():
                use_customer(self.store, customer[1], self.now(), adopt=True)
        return read(self.store, request.method, path, nested(pairs_of(request.url.query)))

    async def _post(self, request: Request, path: str, body: str, fault: str | None, plan: FaultPlan) -> Answer:
        key = request.headers.get("idempotency-key")
        with key_in_use(self._keys_in_use, key):
            pairs = pairs_of(request.url.query) + pairs_of(body)
            # The key stays in use while a slow request works.
            await self._wait(plan.slow_seconds if fault == faults.SLOW else 0)
            return self._execute(path, key, pairs, fault)

    def _execute(self, path: str, key: str | None, pairs: list[tuple[str, str]], fault: str | None) -> Answer:
        mark = fingerprint(path, pairs)
        with self.store.transaction():
            moment = self.rules.clock()
            if key and (kept := recall(self.store, key, mark, moment - self.rules.key_ttl)):
                return kept
            if fault == faults.ERROR_500_BEFORE:
                answer = server_error()
            else:
                params = nested(pairs)
                answer = change(self.store, path, params, int(moment), adopt=self.rules.adopt_customers)
                if answer.status == 200:
                    answer = Answer(200, expanded(self.store, answer.body, list_of(params, "expand")))
            if fault == faults.ERROR_500_AFTER:
                answer = server_error()
            if key:
                remember(self.store, key, mark, answer, moment)
        return answer

    async def _wait(self, seconds: float) -> None:
        if seconds:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.closing.wait(), seconds)

    def _check_key(self, authorization: str) -> None:
        key = _secret_key(authorization)
        if key is None:
            raise Refusal(401, "No API key was given: send Authorization: Bearer sk_test_…")
        if not key.startswith(TEST_KEY) or (self.rules.key is not None and key != self.rules.key):
            raise Refusal(401, f"Invalid API Key provided: {_masked(key)}. The sandbox takes test keys: sk_test_…")


def path_of(request: Request) -> str:
    """The request's path as it was sent, with its escapes."""
    return str(request.scope["raw_path"].decode("latin-1"))


def _secret_key(authorization: str) -> str | None:
    scheme, _, credentials = authorization.strip().partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip() or None
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(credentials).decode().partition(":")[0] or None
        except ValueError:
            return None
    return None


def _masked(key: str) -> str:
    return f"{key[:8]}…{key[-4:]}" if len(key) > 16 else "…"


def _too_many() -> Refusal:
    return Refusal(429, "Too many requests at a time: send fewer a second.", code="rate_limit")
