"""The `/v1` API: who may ask, which fault a request meets, what is executed, and what is kept for its key."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from evbilling_local.sandbox import faults
from evbilling_local.sandbox.faults import Dice, FaultPlan
from evbilling_local.sandbox.forms import list_of, nested, pairs_of
from evbilling_local.sandbox.idempotency import Keys, fingerprint, recall, remember
from evbilling_local.sandbox.listing import expanded
from evbilling_local.sandbox.replies import Answer, Refusal, new_id, server_error
from evbilling_local.sandbox.routes import change, endpoint_name, read
from evbilling_local.sandbox.store import Store
from evbilling_local.sandbox.traffic import Limit, Traffic

DAY = 86_400.0
TEST_KEY = "sk_test_"


@dataclass(frozen=True)
class Request:
    """An HTTP request, with header names in lower case."""

    method: str
    path: str
    query: str
    body: str
    headers: dict[str, str] = field(default_factory=dict)


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
    """Answers API requests out of a store. Every method is safe across threads."""

    def __init__(self, store: Store, rules: Rules, plan: FaultPlan, closing: threading.Event) -> None:
        self.store = store
        self.rules = rules
        self.traffic = Traffic()
        self._limit = Limit(rules.limit)
        self._keys = Keys()
        self._dice = Dice(plan)
        self._dice_turn = threading.Lock()
        # Every wait ends at once when the sandbox stops.
        self._closing = closing
        with store.transaction():
            store.forget_answers(rules.clock() - rules.key_ttl)

    def set_faults(self, plan: FaultPlan) -> None:
        """From now on faults occur by this plan, from the start of its sequence and of every key's tries."""
        with self._dice_turn:
            self._dice = Dice(plan)

    def faults(self) -> dict[str, object]:
        """The plan in force, with what is left of its sequence."""
        with self._dice_turn:
            return {**self._dice.plan.as_json(), "sequence": self._dice.left}

    def now(self) -> int:
        """The second that new objects are created in."""
        return int(self.rules.clock())

    def handle(self, request: Request) -> Reply:
        """Execute a request, or meet its fault."""
        self.traffic.arrived()
        fault: str | None = None
        try:
            self._check_key(request)
            if not self._limit.admits():
                raise _too_many()
            plan, fault = self._next_fault(request)
            answer = self._met(request, fault, plan)
            if fault == faults.TIMEOUT_AFTER:
                self._closing.wait(plan.hold_seconds)
        except Refusal as refusal:
            answer = refusal.answer
        if fault in (faults.TIMEOUT_AFTER, faults.DROP_AFTER):
            answer = None
        if answer is not None:
            answer = _with_headers(answer, request)
        is_nonsense = fault == faults.NONSENSE and answer is not None
        status = 200 if is_nonsense else answer.status if answer else None
        self.traffic.answered(endpoint_name(request.method, request.path), status, fault)
        return Reply(answer, fault, is_nonsense)

    def _met(self, request: Request, fault: str | None, plan: FaultPlan) -> Answer | None:
        if fault == faults.RATE_LIMIT:
            raise _too_many()
        if fault == faults.TIMEOUT_BEFORE:
            self._closing.wait(plan.hold_seconds)
            return None
        if fault == faults.DROP_BEFORE:
            return None
        delay = plan.slow_seconds if fault == faults.SLOW else 0.0
        if request.method == "POST":
            return self._post(request, fault, delay)
        self._closing.wait(delay)
        if fault in (faults.ERROR_500_BEFORE, faults.ERROR_500_AFTER):
            return server_error()
        params = nested(pairs_of(request.query))
        with self.store.reading():
            return read(self.store, request.method, request.path, params)

    def _post(self, request: Request, fault: str | None, delay: float) -> Answer:
        key = request.headers.get("idempotency-key")
        if not key:
            return self._execute(request, fault, delay, None)
        with self._keys.use(key):
            return self._execute(request, fault, delay, key)

    def _execute(self, request: Request, fault: str | None, delay: float, key: str | None) -> Answer:
        pairs = pairs_of(request.query) + pairs_of(request.body)
        mark = fingerprint(request.path, pairs)
        # The key stays in use while a slow request works.
        self._closing.wait(delay)
        with self.store.transaction():
            moment = self.rules.clock()
            if key and (kept := recall(self.store, key, mark, moment - self.rules.key_ttl)):
                return kept
            if fault == faults.ERROR_500_BEFORE:
                answer = server_error()
            else:
                params = nested(pairs)
                answer = change(self.store, request.path, params, int(moment), adopt=self.rules.adopt_customers)
                if answer.status == 200:
                    answer = Answer(200, expanded(self.store, answer.body, list_of(params, "expand")))
            if fault == faults.ERROR_500_AFTER:
                answer = server_error()
            if key:
                remember(self.store, key, mark, answer, moment)
        return answer

    def _next_fault(self, request: Request) -> tuple[FaultPlan, str | None]:
        is_charge = request.method == "POST" and (
            request.path == "/v1/payment_intents"
            or (request.path.startswith("/v1/payment_intents/") and request.path.endswith("/confirm"))
        )
        key = request.headers.get("idempotency-key") or request.path
        with self._dice_turn:
            plan = self._dice.plan
            return plan, self._dice.next_fault(key, is_charge=is_charge, is_read=request.method == "GET")

    def _check_key(self, request: Request) -> None:
        key = _secret_key(request.headers.get("authorization", ""))
        if key is None:
            raise Refusal(401, "No API key was given: send Authorization: Bearer sk_test_…")
        if not key.startswith(TEST_KEY) or (self.rules.key is not None and key != self.rules.key):
            raise Refusal(401, f"Invalid API Key provided: {_masked(key)}. The sandbox takes test keys: sk_test_…")


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


def _with_headers(answer: Answer, request: Request) -> Answer:
    headers = {"Request-Id": new_id("req"), **answer.headers}
    if key := request.headers.get("idempotency-key"):
        headers["Idempotency-Key"] = key
    return Answer(answer.status, answer.body, headers)
