"""Every two operations that move money, switched at every step of the first: what must hold holds in every order.

A *schedule* is a state of a small world (`money_world`), two operations, and where they switch: the first goes to one
of its steps, the second goes on, then the first goes on. In between time may pass, or the first is killed; what was
killed or cut off is tried again, as Airflow does. At the end the gateway is asked, the daily retries run two days
later, and the gateway is asked again. A step is every round trip to the warehouse, and of a charge: before its lease
is looked at, on its way, at work, and its answer on its way (`interleaving`).

After that no card was charged for more than is due, every success is booked or an open break, no card that was declined
for good was tried again, the books agree with themselves and with the gateway, and whatever is due is planned.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import product
from typing import Any
from zlib import crc32

import pytest

from evbilling.connector_statements import correct_statements
from evbilling.errors import TransientError
from evbilling.payments import (
    Retry,
    attempts,
    charge_period,
    close_retries,
    compare,
    due_retries,
    month_end_retries,
    open_retries,
    periods_with_payments,
    settle_unknown,
    tie_out_payments,
)
from evbilling.payments.actions import (
    Adjustment,
    AdjustRequest,
    Debt,
    MarkRequest,
    RebillRequest,
    RefundPaymentRequest,
    RefundRequest,
    UndoRequest,
    acknowledge_refund,
    adjust_statement,
    charge_again,
    mark_statements,
    refund_payment,
    reverse_payment,
)
from evbilling.payments.gateway.interface import ChargeResult, Outcome
from evbilling_local.stack import EmbeddedPostgres
from tests.support.interleaving import Actor, crashed, taking_turns
from tests.support.money_world import MoneyWorld
from tests.support.month import PERIOD, standings_differ

pytestmark = pytest.mark.postgres

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
NOTHING = timedelta(0)
# Longer than a lease; longer than an attempt without an answer counts as on its way; longer than keys are kept.
LAPSE, HOURS, DAY = timedelta(seconds=65), timedelta(hours=2), timedelta(hours=30)


# ---- The operations


def _now() -> datetime:
    return datetime.now(UTC)


def _charge(world: MoneyWorld) -> object:
    return charge_period(world.payments, PERIOD, actor="airflow", now=_now())


def _send(world: MoneyWorld, retries: Sequence[Retry], trigger: str, occasion: str) -> object:
    for batch in open_retries(world.payments, retries, trigger, occasion, "airflow"):
        world.payments.collect(batch)
    close_retries(world.payments, occasion, _now())
    return _ask(world)


def _planned(world: MoneyWorld, occasion: str = "planned today") -> object:
    return _send(world, due_retries(world.payments, _now()), "planned", occasion)


def _month_end(world: MoneyWorld) -> object:
    return _send(world, month_end_retries(world.payments, PERIOD, _now()), "month_end", f"month_end {PERIOD}")


def _rebill(world: MoneyWorld) -> object:
    return charge_again(world.payments, RebillRequest("rebill-1", "ann", "asked for", tuple(world.ids)), _now())


def _mark(world: MoneyWorld, request: str = "mark-1", amount: Decimal | None = None, *ids: str) -> object:
    of, day = ids or tuple(world.ids), date(2026, 11, 20)
    return mark_statements(world.services, MarkRequest(request, "bob", "by transfer", of, day, "bank 1", amount), day)


def _undo(world: MoneyWorld) -> object:
    return reverse_payment(world.services, UndoRequest("undo-1", "cy", "another customer's", world.ids[0]))


def _correct(world: MoneyWorld) -> object:
    return correct_statements(world.services, world.run_id, reason="reported late")


def _adjust(kind: Adjustment, amount: int | None, world: MoneyWorld, request: str = "adjust-1") -> object:
    given = None if amount is None else Decimal(amount)
    return adjust_statement(
        world.services, AdjustRequest(f"{kind}-{request}", "ann", "agreed", world.ids[0], kind, given)
    )


def _refund(world: MoneyWorld, *, is_due_again: bool) -> object:
    amount = Decimal(3) if is_due_again else None
    asked = RefundPaymentRequest(f"refund-{is_due_again}", "ann", "agreed", world.ids[0], "", amount, is_due_again)
    return refund_payment(world.payments, asked)


def _refund_there(world: MoneyWorld) -> object:
    """Somebody refunds one euro of the first statement's payment in the gateway's dashboard, if it is there by then."""
    made = world.gateway.successes().get(world.ids[0], [])
    return made and world.gateway.give_back(made[0].gateway_payment_id, 100)


def _acknowledge(world: MoneyWorld) -> object:
    return acknowledge_refund(world.services, RefundRequest("seen-1", "ann", "seen", world.ids[0], Debt.DUE_AGAIN))


def _ask(world: MoneyWorld) -> object:
    return settle_unknown(world.payments, LONG_AGO, _now())


def _settle(world: MoneyWorld) -> object:
    # As early as it may conclude that a charge wasn't made.
    return settle_unknown(world.payments, LONG_AGO, _now(), min_age=world.payments.least_age)


def _compare(world: MoneyWorld) -> object:
    compare(world.payments, LONG_AGO)
    return tie_out_payments(world.payments, periods_with_payments(world.payments, LONG_AGO))


def _day_after(world: MoneyWorld) -> object:
    """What isn't known is settled, and what is due then is tried again at once, without a gap."""
    _settle(world)
    return _month_end(world)


OPERATIONS: dict[str, Callable[[MoneyWorld], object]] = {
    "charge": _charge,
    "planned": _planned,
    "month_end": _month_end,
    "rebill": _rebill,
    "mark": _mark,
    "undo": _undo,
    "correct": _correct,
    "settle": _settle,
    "compare": _compare,
    "day_after": _day_after,
    "goodwill": partial(_adjust, Adjustment.GOODWILL, 1),
    "extra_debit": partial(_adjust, Adjustment.EXTRA_DEBIT, 2),
    "write_off": partial(_adjust, Adjustment.WRITE_OFF, None),
    "refund": partial(_refund, is_due_again=False),
    "refund_due": partial(_refund, is_due_again=True),
    "refund_there": _refund_there,
    "acknowledge": _acknowledge,
}
REFUNDING = ("refund", "refund_due")
BY_HAND = ("goodwill", "extra_debit", "write_off", *REFUNDING, "refund_there", "acknowledge")
COLLECTING = ("charge", "planned", "month_end", "rebill")
RESTORE = "restore"


# ---- The states


def _keep_states(world: MoneyWorld) -> None:
    """The states that schedules begin with. Statement one comes to 11.90 EUR and two to 5.95, before corrections."""
    one, two = world.ids
    gateway = world.gateway
    world.keep("issued")

    # One was never tried; two was declined softly by a Re-Bill, and its next try is due.
    gateway.cards = {"pm_b": "soft"}
    charge_again(world.payments, RebillRequest("rebill-0", "ann", "asked for", (two,)), _now())
    gateway.cards = {}
    world.pass_time(timedelta(days=20))
    world.keep("due")

    # The same, and the cards will be declined for good.
    gateway.cards = {"pm_a": "hard", "pm_b": "hard"}
    world.keep("hard")

    # Both were declined by a Re-Bill, and a comparison has found that the gateway has charged one all the same.
    world.put_back("issued")
    gateway.cards = {"pm_a": "soft", "pm_b": "soft"}
    charge_again(world.payments, RebillRequest("rebill-0", "ann", "asked for", (one, two)), _now())
    gateway.cards = {}
    declined = next(payment for payment in gateway.payments.values() if payment.customer == "cus_a")
    gateway.add(declined.amount_minor, declined.currency, "cus_a", declined.metadata)
    _compare(world)
    world.pass_time(timedelta(days=20))
    world.keep("unaccounted")

    # Both were declined, then one was marked as paid in full and two in part.
    world.put_back("issued")
    gateway.cards = {"pm_a": "soft", "pm_b": "soft"}
    _charge(world)
    gateway.cards = {}
    world.pass_time(timedelta(days=20))
    _mark(world, "mark-0", None, one)
    _mark(world, "mark-00", Decimal(1), two)
    world.keep("marked")

    # Both were charged, and one has a credit of two euros.
    world.put_back("issued")
    _charge(world)
    _adjust(Adjustment.GOODWILL, 2, world, "adjust-0")
    world.pass_time(timedelta(days=20))
    world.keep("paid")

    # The same, and somebody has refunded one euro of one at the gateway, which the last comparison has found.
    _refund_there(world)
    _compare(world)
    world.keep("given_back")

    # The refund of the credit was killed ten minutes ago, once the gateway had made it.
    world.put_back("paid")
    killed = world.stage.enter("refund", partial(OPERATIONS["refund"], world))
    while "answered" not in killed.at:
        assert killed.advance(killed.steps + 1) == "stopped"
    killed.kill()
    world.pass_time(timedelta(minutes=10))
    world.keep("refund_cut_off")

    # The charge was killed ten minutes ago: one's request never got to the gateway, two was charged.
    world.put_back("issued")
    killed = world.stage.enter("charge", partial(_charge, world))
    while "record_outcomes" not in killed.at:
        assert killed.advance(killed.steps + 1) == "stopped"
    killed.kill()
    del gateway.payments["pi_1"]
    gateway.keys = {key: answer for key, answer in gateway.keys.items() if one not in key}
    world.pass_time(timedelta(minutes=10))
    world.keep("cut_off")
    # Of that of yesterday, one's attempt was only opened.
    world.pass_time(DAY)
    world.write(f"update billing.payment_attempt set sent_at = null, claimed_at = null where statement_id = '{one}'")
    world.keep("cut_off_yesterday")

    # The same, but the charge went on and recorded that it has no answer.
    world.put_back("cut_off")
    with world.services.warehouse() as connection:
        ids = [row[0] for row in connection.execute("select attempt_id from billing.payment_attempt").fetchall()]
        attempts.record(connection, [(attempt, ChargeResult(Outcome.UNKNOWN)) for attempt in ids])
    world.keep("unknown")
    world.stage.clear()


# ---- Schedules


@dataclass(frozen=True)
class Schedule:
    """Where the second operation comes in: before step `at` (from 0) of the first.

    Before it `passes` passes (by which of the workers' clocks: `clocks`), or the first is killed. `back`: the second
    stops before its step of that number until the first has ended.
    """

    state: str
    first: str
    second: str
    at: int
    passes: timedelta = NOTHING
    kills: bool = False
    back: int | None = None
    clocks: str = "both"

    def __str__(self) -> str:
        parts = [f"{self.state}: {self.first} up to its step {self.at}"]
        parts += ["is killed"] if self.kills else []
        parts += [f"{self.passes} pass by {self.clocks} clocks"] if self.passes else []
        parts += [self.second + (f" up to its step {self.back}" if self.back is not None else "")]
        return ", ".join(parts)


def play(world: MoneyWorld, schedule: Schedule) -> list[str]:
    """What is wrong after a schedule; [] if nothing is. The trace of the stage tells how it came to that."""
    world.put_back(schedule.state)
    stage = world.stage
    stage.clear()
    first = stage.enter(f"1 {schedule.first}", partial(OPERATIONS[schedule.first], world))
    first.advance(schedule.at)
    if schedule.kills:
        first.kill()
    if schedule.passes:
        stage.trace.append(f"{schedule.passes} pass".rjust(40))
        by = {"both": {}, "wall": {"steady": False}, "steady": {"wall": False}}[schedule.clocks]
        world.pass_time(schedule.passes, **by)
    lapse = partial(world.pass_time, LAPSE)
    ended = [first]
    if schedule.second == RESTORE:
        stage.trace.append("the warehouse of before is restored".rjust(50))
        world.restore(schedule.state)
    else:
        second = stage.enter(f"2 {schedule.second}", partial(OPERATIONS[schedule.second], world))
        ended.append(second)
        if schedule.back is not None:
            second.advance(schedule.back)
            stage.finish(first, second, lapse)
        stage.finish(second, first, lapse)
    stage.finish(first, None, lapse)
    for actor in ended:
        if actor.is_dead or isinstance(actor.error, TransientError):
            again = stage.enter(f"{actor.label} again", actor.deed)
            stage.finish(again, None, lapse)
    dropped = [] if schedule.second == RESTORE else _dropped(world)
    wrongs = _end(world, HOURS, _ask, _compare)
    if not wrongs and world.value("select exists (select from billing.receivable where balance_minor > 0)"):
        retries: list[Callable[[MoneyWorld], object]] = [partial(_planned, occasion="planned later")]
        if schedule.second == RESTORE:
            retries.insert(0, OPERATIONS[schedule.first])
        wrongs = _end(world, timedelta(days=2), *retries, _ask, _compare)
    wrongs += [
        f"{what} of {statement} is still {outcome}"
        for what, statement, outcome in world.rows(
            """select 'attempt ' || attempt_id, statement_id, outcome from billing.payment_attempt
               where settled_at is null
               union all select 'refund ' || refund_id, statement_id, outcome from billing.refund_attempt
               where settled_at is null"""
        )
    ]
    wrongs += dropped
    wrongs += [f"{actor.label} fails: {error!r}" for actor in stage.actors if (error := crashed(actor))]
    return wrongs


def _end(world: MoneyWorld, passes: timedelta, *deeds: Callable[[MoneyWorld], Any]) -> list[str]:
    world.pass_time(passes)
    stage = world.stage
    lasts: list[Actor] = []
    for deed in deeds:
        lasts.append(stage.enter("at the end", partial(deed, world)))
        stage.finish(lasts[-1], None, partial(world.pass_time, LAPSE))
    return _wrongs(world, lasts[-1].result)


def _dropped(world: MoneyWorld) -> list[str]:
    """Successes that no attempt waits for any more, and that are neither booked nor a break by now."""
    kept = {
        row[0]
        for row in world.rows(
            """select gateway_payment_id from billing.payment_attempt where outcome = 'succeeded'
               union all select gateway_payment_id from billing.payment_break where gone_at is null
               union all select reference from billing.paid_outside"""
        )
    }
    settled = {
        str(row[0]) for row in world.rows("select attempt_id from billing.payment_attempt where outcome = 'declined'")
    }
    return [
        f"{payment.gateway_payment_id} has succeeded, and was dropped"
        for payments in world.gateway.successes().values()
        for payment in payments
        if payment.gateway_payment_id not in kept and payment.metadata["evbilling_attempt"] in settled
    ]


def _wrongs(world: MoneyWorld, not_ok: Any) -> list[str]:
    wrongs = list(world.gateway.wrongs)
    attempted, outside, breaks = (
        {row[0]: row[1] for row in world.rows(query)}
        for query in (
            """select a.gateway_payment_id, t.amount_minor from billing.payment_attempt a
               left join billing.transfer t using (attempt_id) where a.outcome = 'succeeded'""",
            """select reference, amount_minor from billing.paid_outside p where not exists (
                   select from billing.paid_outside_reversal r where r.paid_outside_id = p.paid_outside_id)""",
            "select gateway_payment_id, kind from billing.payment_break where gone_at is null",
        )
    )
    charged = {
        payment.gateway_payment_id: payment.amount_minor
        for payments in world.gateway.successes().values()
        for payment in payments
    }
    for number, amount in charged.items():
        if number in breaks:
            continue
        if attempted.get(number, outside.get(number)) != amount:
            wrongs.append(f"{number} was charged ({amount}), and is neither booked nor a break")
    wrongs += [
        f"{number} is booked ({amount}), and neither charged nor a break"
        for number, amount in attempted.items()
        if charged.get(number) != amount and number not in breaks
    ]
    returned = dict(
        world.rows("select gateway_payment_id, sum(amount_minor)::bigint from billing.payment_return group by 1")
    )
    wrongs += [
        f"of {number} {payment.refunded_minor} are given back, and {returned.get(number, 0)} booked, without a break"
        for number, payment in world.gateway.payments.items()
        if payment.refunded_minor != returned.get(number, 0) and number not in breaks
    ]
    wrongs += [
        f"of {statement} {paid} is paid"
        for statement, paid in world.rows("select statement_id, paid_minor from billing.receivable")
        if paid < 0
    ]
    wrongs += [
        f"{statement} is at {balance}"
        for statement, balance in world.rows(
            """select r.statement_id, r.balance_minor from billing.receivable r where r.balance_minor < (
                   select coalesce(sum(least(c.total_minor, 0)), 0) from billing.statement c
                   where c.corrects_statement_id = r.statement_id)"""
        )
    ]
    wrongs += [
        f"{statement} was tried, is due and isn't planned"
        for (statement,) in world.rows(
            """select r.statement_id from billing.receivable r where r.balance_minor > 0
                 and exists (select from billing.payment_attempt a where a.statement_id = r.statement_id)
                 and not exists (select from billing.payment_attempt a
                                 where a.statement_id = r.statement_id and a.outcome in ('pending', 'unknown'))
                 and not exists (select from billing.payment_plan p
                                 where p.statement_id = r.statement_id and p.reason_id <> 'PAID')"""
        )
    ]
    wrongs += [f"{said}: {found}" for said, found in standings_differ(world.admin).items()]
    if not_ok and not breaks:
        wrongs.append(f"the tie-out isn't ok, and there is no break: {not_ok}")
    return wrongs


# ---- Which schedules there are

_ADJUSTING = ("goodwill", "extra_debit", "write_off")
STATES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "due": (
        (*COLLECTING, "mark", "correct", "settle", "compare", *_ADJUSTING),
        (*COLLECTING, "mark", "correct", "settle", "compare", "day_after", RESTORE, *_ADJUSTING),
    ),
    "marked": (
        (*COLLECTING, "mark", "undo", "correct", "settle", "compare"),
        (*COLLECTING, "mark", "undo", "correct", "settle", "compare", RESTORE),
    ),
    "cut_off": (
        ("charge", "settle", "compare", "day_after"),
        (*COLLECTING, "mark", "settle", "compare", "day_after", RESTORE, "goodwill", "write_off"),
    ),
    "cut_off_yesterday": (("charge", "settle"), ("charge", "settle", "day_after")),
    "unknown": (("settle", "rebill"), ("charge", "rebill", "settle", "day_after")),
    "unaccounted": ((*COLLECTING, "compare"), (*COLLECTING, "mark", "settle", "compare", "write_off")),
    "hard": (COLLECTING, COLLECTING),
    "paid": (
        (*REFUNDING, "goodwill", "extra_debit", "correct", "settle", "compare"),
        (*REFUNDING, "refund_there", "goodwill", "extra_debit", "correct", "rebill", "settle", "compare", RESTORE),
    ),
    "given_back": (
        ("acknowledge", "refund_due", "goodwill", "compare"),
        ("acknowledge", "refund_due", "refund_there", "goodwill", "rebill", "correct", "settle", "compare"),
    ),
    "refund_cut_off": (
        ("refund", "settle", "compare"),
        ("refund", "refund_due", "refund_there", "goodwill", "correct", "settle", "compare", "day_after", RESTORE),
    ),
}
# Of the state in which something is marked: the pairs with an undo.
PAIRS = [
    (state, first, second)
    for state, (firsts, seconds) in STATES.items()
    for first, second in product(firsts, seconds)
    if state != "marked" or "undo" in {first, second}
]
# Those in which faults were: the gate plays their schedules that switch where money is decided.
FOUND = {
    ("cut_off", "day_after", "charge"),
    ("cut_off", "charge", "day_after"),
    ("unaccounted", "rebill", "month_end"),
}
# And those in which faults are most likely. In all of these both operations also stop on the way.
WATCHED = FOUND | {
    ("due", "charge", "day_after"),
    ("due", "charge", "settle"),
    ("hard", "rebill", "month_end"),
}
# And each of these schedules: of two tries of one task, the older one stops with a word that says so.
TWO_TRIES = ("due", "correct", "correct")
# Of two operations the gate plays one schedule more, in the first state that they have in common and in one of both
# orders; of those with something done by hand every other. `--full` plays all.
_FIRST_STATES = {frozenset(pair[1:]): pair for pair in reversed(PAIRS)}
_IN_GATE = {*FOUND, TWO_TRIES} | {
    pair for pair in _FIRST_STATES.values() if not set(pair[1:]) & set(BY_HAND) or crc32("-".join(pair).encode()) % 2
}
_DECIDES = ("record_outcomes", "claim_attempts", "open_attempts", "open_refund(", "claim_refund(", "record_refund(")
# What may pass at a switch: in turn at those of a pair, and all of them in the pairs that are watched.
SHORT: list[dict[str, Any]] = [{"passes": LAPSE}, {"passes": LAPSE, "kills": True}]
LONG: list[dict[str, Any]] = [
    {"passes": HOURS},
    {"passes": DAY},
    {"passes": DAY, "kills": True},
    {"passes": HOURS, "clocks": "wall"},
    {"passes": HOURS, "clocks": "steady"},
]


def schedules_of(world: MoneyWorld, state: str, first: str, second: str, *, full: bool) -> list[Schedule]:
    """The schedules of a pair: switched at every step; where no transaction is open also after a while, and killed."""
    pair = (state, first, second)
    steps = steps_of(world, state, first)
    schedules = [Schedule(*pair, at) for at in range(len(steps))]
    joints = [(at, text) for at, (text, is_joint) in enumerate(steps) if is_joint and at]
    if first in {*COLLECTING, *REFUNDING, "settle", "day_after"}:
        times_known = _times_known([text for text, _ in steps])
        # After its last answer is recorded, an operation decides nothing that time could change.
        last = max((at for at, (text, _) in enumerate(steps) if _calls(text) or _decides(text)), default=0) + 2
        for number, (at, text) in enumerate(one for one in joints if one[0] <= last):
            # A request is on its way for less than a lease and the wait for its answer. If it ever took longer, its
            # success must still not be lost.
            whiles = SHORT + (LONG if not _is_on_its_way(text) else LONG[:1] if second in {"settle", "compare"} else [])
            if at in times_known:
                # The operation has read the time, which doesn't get older here.
                whiles = [options for options in whiles if options.get("kills")]
            if pair not in WATCHED or (not full and state != "cut_off"):
                whiles = [whiles[(number + len(second)) % len(whiles)]]
            schedules += [Schedule(*pair, at, **options) for options in whiles]
    if pair not in WATCHED:
        return schedules
    telling = [at for at, (text, _) in enumerate(steps) if _calls(text) or _decides(text)]
    deciding = [at for at in telling if _decides(steps[at][0])]
    others = [at for at, (text, _) in enumerate(steps_of(world, state, second)) if _calls(text) or _decides(text)]
    if not full:
        # Where money is decided.
        schedules = [one for one in schedules if one.at in telling]
        others = [at for at in others if not _decides(steps_of(world, state, second)[at][0])]
    return schedules + [Schedule(*pair, at, back=back) for at in (telling if full else deciding) for back in others]


def _times_known(texts: Sequence[str]) -> set[int]:
    """The steps before which an operation holds a time that it has read and will compare."""
    found, is_known = set(), False
    for at, text in enumerate(texts):
        if is_known:
            found.add(at)
        if "clock_timestamp()" in text and text.startswith("select"):
            is_known = True
        elif text.startswith(("select a.attempt_id, a.statement_id, a.sent_at is not null", "with listed")):
            is_known = False
    return found


def _calls(text: str) -> bool:
    """Whether a step is one of a charge's or a refund's at the gateway."""
    return "gateway: " in text and any(word in text for word in ("charge", "answer", "to refund", "refund of"))


def _is_on_its_way(text: str) -> bool:
    """Whether a charge or refund is sent and not answered yet."""
    return _calls(text) and not text.startswith(("gateway: about to", "gateway: asked"))


def _decides(text: str) -> bool:
    """Whether a step decides on attempts or refunds."""
    return any(name in text for name in _DECIDES)


def steps_of(world: MoneyWorld, state: str, operation: str) -> list[tuple[str, bool]]:
    """The steps of an operation that nobody disturbs, and whether no transaction was open before each."""
    if (state, operation) not in world.steps:
        world.put_back(state)
        world.stage.clear()
        actor = world.stage.enter(operation, partial(OPERATIONS[operation], world))
        world.stage.finish(actor, None, partial(world.pass_time, LAPSE))
        world.steps[state, operation] = actor.seen
    return world.steps[state, operation]


# ---- The tests


@pytest.fixture(scope="module")
def world(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MoneyWorld]:
    """The world with all its states."""
    with MoneyWorld(postgres, tmp_path_factory.mktemp("turns")) as world, taking_turns(world.stage, world.clocks):
        _keep_states(world)
        yield world


@pytest.fixture(scope="module")
def counts(pytestconfig: pytest.Config) -> Iterator[Counter[str]]:
    """Adds up what was played, and says it at the end, for docs/testing.md."""
    counted: Counter[str] = Counter()
    yield counted
    with pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print("\ninterleavings:", ", ".join(f"{number} {what}" for what, number in counted.items()))


@pytest.mark.parametrize(
    "pair",
    [pytest.param(pair, id="-".join(pair), marks=[] if pair in _IN_GATE else pytest.mark.full) for pair in PAIRS],
)
def test_every_switch(world: MoneyWorld, counts: Counter[str], full: bool, pair: tuple[str, str, str]) -> None:
    """Wherever two operations switch, money is collected once and nothing is lost of it."""
    schedules = schedules_of(world, *pair, full=full)
    switches = len({(schedule.at, schedule.back) for schedule in schedules})
    if not full and pair not in FOUND and pair != TWO_TRIES:
        # Not at random, but of each pair another.
        schedules = schedules[crc32("-".join(pair).encode()) % len(schedules) :: len(schedules)]
    faults = [(schedule, wrongs, world.stage.story()) for schedule in schedules if (wrongs := play(world, schedule))]
    counts.update({"pairs": 1, "switches": switches, "runs": len(schedules), "violations": len(faults)})
    assert not faults, _report(faults, len(schedules))


def _report(faults: Sequence[tuple[Schedule, list[str], str]], played: int) -> str:
    schedule, wrongs, story = faults[0]
    return f"{len(faults)} of {played} schedules are wrong. The first: {schedule}\n" + "\n".join([*wrongs, "", story])


def test_a_schedule_always_gives_the_same(world: MoneyWorld) -> None:
    """Played again, the same steps follow each other: what is found once is found again."""
    schedule = Schedule("due", "rebill", "month_end", 20)
    stories = [(play(world, schedule), world.stage.story()) for _ in range(2)]
    assert stories[0] == stories[1]
    assert "2 month_end" in stories[0][1]
