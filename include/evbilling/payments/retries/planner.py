"""When to try a failed statement again: by what the declines mean, in growing gaps, under the card networks' cap. Pure.

Instants are aware and UTC. A payment method's own attempts decide how it goes on; the attempts with all of them
together count for the cap. A method that is used again after another one keeps its history. A try by hand counts for
the cap and by what its decline means, but it climbs no gap, so it doesn't move the next automatic try.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from evbilling.errors import BadInput
from evbilling.payments.retries.declines import DeclineClass

# Why there is no automatic try, or none yet.
NO_METHOD = "NO-METHOD"
HARD_DECLINE = "HARD-DECLINE"
NEEDS_CUSTOMER = "NEEDS-CUSTOMER"
UNKNOWN_DECLINE = "UNKNOWN-DECLINE"
GIVEN_UP = "GIVEN-UP"
PAYER_UNCLEAR = "PAYER-UNCLEAR"
CAPPED = "CAPPED"
TOO_SOON = "TOO-SOON"
UNACCOUNTED_PAYMENT = "UNACCOUNTED-PAYMENT"
# Why there is one.
FIRST_TRY = "FIRST-TRY"
METHOD_CHANGED = "METHOD-CHANGED"
RETRY = "RETRY"

CAP_WINDOW = timedelta(days=30)

# Declines that count for the growing gaps.
_LADDER = frozenset({DeclineClass.SOFT, DeclineClass.UNKNOWN})

# What stops automatic tries only: an operator may know that the customer has acted.
_ALLOWED_BY_HAND = frozenset({NEEDS_CUSTOMER, UNKNOWN_DECLINE, GIVEN_UP})


@dataclass(frozen=True, slots=True)
class Policy:
    """How persistent to be; raises `BadInput` for numbers that make no sense.

    `gaps_days`: days to wait after the first, second, … soft decline of a payment method. `most_in_30_days`: tries of
    a statement that may reach the gateway, over all paths. `most_unknown`: tries of a method that end in an unknown
    decline. `spread_hours`: over how long the tries that fall due together are spread.
    """

    gaps_days: tuple[int, ...] = (1, 3, 5, 7, 7, 7)
    most_in_30_days: int = 15
    most_unknown: int = 2
    spread_hours: int = 24

    def __post_init__(self) -> None:
        if any(gap < 1 for gap in self.gaps_days):
            raise BadInput(f"gaps_days has a gap below one day: {self.gaps_days}", fix="wait whole days, at least one")
        for name, number, least in (
            ("most_in_30_days", self.most_in_30_days, 1),
            ("most_unknown", self.most_unknown, 0),
            ("spread_hours", self.spread_hours, 0),
        ):
            if number < least:
                raise BadInput(f"{name} is {number}", fix=f"give a number of at least {least}")


@dataclass(frozen=True, slots=True)
class Attempt:
    """A declined attempt at a statement, or one that counts for the cap. `payment_method` is what it was tried with.

    `decline_class` is None if it wasn't declined: it succeeded, or its outcome isn't known. `is_by_hand`: Re-Bill made
    it.
    """

    attempted_at: datetime
    decline_class: DeclineClass | None
    decline_code: str | None
    payment_method: str | None
    reached_gateway: bool
    is_by_hand: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The next automatic try of a statement, due once `at` has come; `at` None: no automatic try, for this reason."""

    statement_id: str
    at: datetime | None
    reason_id: str
    detail: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a try may not take place now; `until` is when it may, None if time alone doesn't help."""

    reason_id: str
    detail: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What a payment method's own declines mean: the earliest automatic try, or None for no automatic try."""

    at: datetime | None
    reason_id: str
    detail: str


def plan_retry(
    statement_id: str, attempts: Sequence[Attempt], payment_method: str | None, policy: Policy, now: datetime
) -> Plan:
    """The next automatic try of a statement, from its attempts and the payment method that is stored now."""
    verdict = _judge(attempts, payment_method, policy, now)
    at = verdict.at
    if at is None:
        return Plan(statement_id, None, verdict.reason_id, verdict.detail)
    if verdict.reason_id == RETRY:
        at += _offset(statement_id, sum(not attempt.is_by_hand for attempt in attempts), policy)
    opens = _cap_opens(attempts, policy)
    if opens is not None and opens > max(at, now):
        return Plan(statement_id, opens, CAPPED, _capped_detail(policy, opens))
    return Plan(statement_id, at, verdict.reason_id, f"{verdict.detail}: next try from {_text(at)}")


def may_try_now(
    attempts: Sequence[Attempt], payment_method: str | None, policy: Policy, now: datetime, *, by_hand: bool
) -> Refusal | None:
    """None if a try may take place now, else why not.

    By hand a statement may be tried before its gap is over, and after the automatic tries have ended. Nothing may be
    tried without a payment method, again with one that was declined for good, or beyond the cap.
    """
    verdict = _judge(attempts, payment_method, policy, now)
    if verdict.at is None and not (by_hand and verdict.reason_id in _ALLOWED_BY_HAND):
        return Refusal(verdict.reason_id, verdict.detail, None)
    at = now if by_hand or verdict.at is None else max(verdict.at, now)
    opens = _cap_opens(attempts, policy)
    if opens is not None and opens > at:
        return Refusal(CAPPED, _capped_detail(policy, opens), opens)
    if at > now:
        return Refusal(TOO_SOON, f"{verdict.detail}: not before {_text(at)}", at)
    return None


def preview(
    statement_id: str, attempts: Sequence[Attempt], payment_method: str | None, policy: Policy, now: datetime
) -> list[datetime]:
    """The automatic tries that remain, in order, if each takes place when it is due and is declined softly again.

    After an unknown decline they go on as unknown ones, so that no more tries are shown than would take place.
    """
    tried = list(attempts)
    own = _with_method(attempts, payment_method)
    unknown = bool(own) and own[-1].decline_class is DeclineClass.UNKNOWN
    again = DeclineClass.UNKNOWN if unknown else DeclineClass.SOFT
    instants: list[datetime] = []
    while (at := plan_retry(statement_id, tried, payment_method, policy, now).at) is not None:
        now = max(at, now)
        instants.append(now)
        tried.append(Attempt(now, again, None, payment_method, reached_gateway=True))
    return instants


def _judge(attempts: Sequence[Attempt], payment_method: str | None, policy: Policy, now: datetime) -> _Verdict:
    if payment_method is None:
        return _Verdict(None, NO_METHOD, "no payment method is stored, so there is nothing to charge")
    if not attempts:
        return _Verdict(now, FIRST_TRY, "never tried")
    if all(attempt.decline_class is None for attempt in attempts):
        return _Verdict(now, FIRST_TRY, "never declined, and not all of it is paid")
    own = _with_method(attempts, payment_method)
    if not own:
        return _Verdict(now, METHOD_CHANGED, "the payment method was changed since the last decline")
    last = own[-1]
    on = f"on {_date(last.attempted_at)}"
    if last.decline_class is DeclineClass.HARD:
        return _Verdict(None, HARD_DECLINE, f"declined for good {on}: only another payment method helps")
    if last.decline_class is DeclineClass.NEEDS_CUSTOMER:
        return _Verdict(None, NEEDS_CUSTOMER, f"declined {on} until the customer acts; may be tried by hand then")
    unknown = sum(attempt.decline_class is DeclineClass.UNKNOWN for attempt in own)
    if last.decline_class is DeclineClass.UNKNOWN and unknown >= policy.most_unknown:
        return _Verdict(None, UNKNOWN_DECLINE, f"declined {_times(unknown)} for a reason not known, last {on}")
    declined = [attempt for attempt in own if attempt.decline_class in _LADDER]
    text = f"declined {_times(len(declined))} with this payment method, last {on}"
    # Where no try was automatic, the first one by hand begins the gaps.
    climbed = [attempt for attempt in declined if not attempt.is_by_hand] or declined[:1]
    if len(climbed) > len(policy.gaps_days):
        return _Verdict(None, GIVEN_UP, f"{text}: no automatic try is left")
    # A decline that ended the automatic tries took away what was planned, so the gap begins after it.
    ended = any(attempt.decline_class not in _LADDER for attempt in own[own.index(climbed[-1]) :])
    begins = last if ended else climbed[-1]
    return _Verdict(begins.attempted_at + timedelta(days=policy.gaps_days[len(climbed) - 1]), RETRY, text)


def _with_method(attempts: Sequence[Attempt], payment_method: str | None) -> list[Attempt]:
    own = [attempt for attempt in attempts if attempt.payment_method == payment_method and attempt.decline_class]
    return sorted(own, key=lambda attempt: attempt.attempted_at)


def _cap_opens(attempts: Sequence[Attempt], policy: Policy) -> datetime | None:
    """From when on fewer than the most allowed tries lie within the 30 days before; None if it never was reached."""
    reached = sorted(attempt.attempted_at for attempt in attempts if attempt.reached_gateway)
    surplus = len(reached) - policy.most_in_30_days
    return reached[surplus] + CAP_WINDOW if surplus >= 0 else None


def _offset(statement_id: str, tries: int, policy: Policy) -> timedelta:
    """A fixed moment of this try within the spread, so that a month's failures aren't all tried again at once."""
    seconds = policy.spread_hours * 3600
    if not seconds:
        return timedelta(0)
    digest = blake2b(f"{statement_id}/{tries}".encode(), digest_size=8).digest()
    return timedelta(seconds=int.from_bytes(digest) % seconds)


def _capped_detail(policy: Policy, opens: datetime) -> str:
    return f"tried {_times(policy.most_in_30_days)} within 30 days, the most allowed: not before {_text(opens)}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _date(at: datetime) -> str:
    return at.astimezone(UTC).date().isoformat()


def _text(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
