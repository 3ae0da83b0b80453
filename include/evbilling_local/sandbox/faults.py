"""Faults on purpose: which request meets which fault. Drawn from the seed and the request, so runs can be repeated."""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from evbilling.errors import BadInput

TIMEOUT_BEFORE = "timeout_before"
TIMEOUT_AFTER = "timeout_after"
DROP_BEFORE = "drop_before"
DROP_AFTER = "drop_after"
ERROR_500_BEFORE = "error_500_before"
ERROR_500_AFTER = "error_500_after"
RATE_LIMIT = "rate_limit"
NONSENSE = "nonsense"
SLOW = "slow"
INVALID_REQUEST = "invalid_request"
UNAUTHORIZED = "unauthorized"

FAULTS = (
    TIMEOUT_BEFORE,
    TIMEOUT_AFTER,
    DROP_BEFORE,
    DROP_AFTER,
    ERROR_500_BEFORE,
    ERROR_500_AFTER,
    RATE_LIMIT,
    NONSENSE,
    SLOW,
    INVALID_REQUEST,
    UNAUTHORIZED,
)

CHARGES = "charges"
READS = "reads"
ALL = "all"
_ON = (CHARGES, READS, ALL)


@dataclass(frozen=True)
class FaultPlan:
    """Which faults occur. The sequence is used up first, in order of arrival; after it the rates are drawn from.

    `rates` are shares of requests between 0 and 1, together at most 1. `on` says which requests can meet one.
    """

    seed: int = 1
    rates: Mapping[str, float] = field(default_factory=dict)
    sequence: tuple[str | None, ...] = ()
    hold_seconds: float = 1.0
    slow_seconds: float = 0.5
    on: str = CHARGES

    def __post_init__(self) -> None:
        """Raise `BadInput` for a fault that doesn't exist, or shares that aren't shares."""
        for name in (*self.rates, *(name for name in self.sequence if name is not None)):
            if name not in FAULTS:
                raise BadInput(f"{name!r} is not a fault", where="faults", fix=f"choose among {', '.join(FAULTS)}")
        if any(not 0 <= rate <= 1 for rate in self.rates.values()) or sum(self.rates.values()) > 1 + 1e-9:
            raise BadInput(
                "rates aren't shares of the requests", where="faults", fix="give rates from 0 to 1, together at most 1"
            )
        if self.on not in _ON:
            raise BadInput(f"on is {self.on!r}", where="faults", fix=f"choose among {', '.join(_ON)}")
        if not (0 <= self.hold_seconds <= 3600 and 0 <= self.slow_seconds <= 3600):
            raise BadInput("waits must be 0 to 3600 seconds", where="faults", fix="correct hold_seconds, slow_seconds")

    def as_json(self) -> dict[str, Any]:
        """The plan as the control API writes it."""
        return {**asdict(self), "sequence": list(self.sequence)}


_FIELDS = frozenset(FaultPlan().as_json())


def plan_from_json(data: object) -> FaultPlan:
    """The plan of a request to the control API; a missing field means no such fault. Raises `BadInput`."""
    if not isinstance(data, dict) or not _FIELDS.issuperset(data):
        fix = f"send a JSON object of {', '.join(sorted(_FIELDS))}"
        raise BadInput("isn't a plan of faults", where="faults", fix=fix)
    try:
        values = {**FaultPlan().as_json(), **data}
        return FaultPlan(
            seed=int(values["seed"]),
            rates={str(name): float(rate) for name, rate in dict(values["rates"]).items()},
            sequence=tuple(values["sequence"]),
            hold_seconds=float(values["hold_seconds"]),
            slow_seconds=float(values["slow_seconds"]),
            on=str(values["on"]),
        )
    except (TypeError, ValueError) as error:
        raise BadInput(f"can't be read: {error}", where="faults", fix="see the defaults that a GET answers") from None


def draw(plan: FaultPlan, key: str, number: int) -> str | None:
    """The fault that the `number`th try with `key` meets by the plan's rates; None for most."""
    digest = hashlib.sha256(f"{plan.seed}|{key}|{number}".encode()).digest()
    left = int.from_bytes(digest[:8], "big") / 2**64
    for name in FAULTS:
        left -= plan.rates.get(name, 0.0)
        if left < 0:
            return name
    return None


class Dice:
    """A plan in use: what is left of its sequence, and how often each key was used."""

    def __init__(self, plan: FaultPlan) -> None:
        self.plan = plan
        self._sequence = deque(plan.sequence)
        self._tries: Counter[str] = Counter()

    def as_json(self) -> dict[str, Any]:
        """The plan as the control API writes it, with what is left of its sequence."""
        return {**self.plan.as_json(), "sequence": list(self._sequence)}

    def next_fault(self, key: str, *, is_charge: bool, is_read: bool) -> str | None:
        """The fault that this request meets, if any. `key` is its idempotency key, or else its path."""
        applies = {CHARGES: is_charge, READS: is_read, ALL: True}[self.plan.on]
        if not applies:
            return None
        if self._sequence:
            return self._sequence.popleft()
        if not self.plan.rates:
            return None
        self._tries[key] += 1
        return draw(self.plan, key, self._tries[key])
