"""When a failed statement is tried again: the rules one by one, and what holds over a year whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evbilling.errors import BadInput
from evbilling.payments.retries.declines import DeclineClass
from evbilling.payments.retries.planner import (
    CAPPED,
    FIRST_TRY,
    GIVEN_UP,
    HARD_DECLINE,
    METHOD_CHANGED,
    NEEDS_CUSTOMER,
    NO_METHOD,
    RETRY,
    TOO_SOON,
    UNKNOWN_DECLINE,
    Attempt,
    Plan,
    Policy,
    may_try_now,
    plan_retry,
    preview,
)

STATEMENT = "A-202611-000042"
START = datetime(2026, 11, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
NO_SPREAD = Policy(spread_hours=0)


def declined(
    day: float,
    decline_class: DeclineClass = DeclineClass.SOFT,
    method: str | None = "pm_1",
    *,
    reached_gateway: bool = True,
) -> Attempt:
    return Attempt(START + day * DAY, decline_class, "some_code", method, reached_gateway)


def plan(attempts: list[Attempt], policy: Policy = NO_SPREAD, *, method: str | None = "pm_1", day: float = 0) -> Plan:
    return plan_retry(STATEMENT, attempts, method, policy, START + day * DAY)


def test_soft_declines_climb_the_gaps_and_end() -> None:
    attempts: list[Attempt] = []
    day = 0
    for gap in NO_SPREAD.gaps_days:
        attempts.append(declined(day))
        following = plan(attempts, day=day)
        assert following.reason_id == RETRY
        assert following.at == START + (day + gap) * DAY
        day += gap
    attempts.append(declined(day))
    assert plan(attempts, day=day) == Plan(
        STATEMENT,
        None,
        GIVEN_UP,
        "declined 7 times with this payment method, last on 2026-12-01: no automatic try is left",
    )


def test_a_try_by_hand_does_not_move_the_next() -> None:
    """Neither its time nor how many are left; only a decline that ends automatic tries does."""
    attempts = [declined(0), declined(1)]
    before = plan(attempts, Policy(), day=1)
    for day in (2, 3, 3.5, 9):
        attempts.append(replace(declined(day), is_by_hand=True))
        assert plan(attempts, Policy(), day=day).at == before.at
    assert plan([*attempts, declined(10)], day=10).at == START + 15 * DAY
    by_hand = replace(declined(11, DeclineClass.HARD), is_by_hand=True)
    assert plan([*attempts, by_hand], day=11).reason_id == HARD_DECLINE
    # What was planned ended with the customer's turn; tried again since, the gap begins anew.
    asked = [declined(0), replace(declined(5, DeclineClass.NEEDS_CUSTOMER), is_by_hand=True)]
    assert plan([*asked, replace(declined(8), is_by_hand=True)], day=8).at == START + 9 * DAY
    # All by hand: the first begins the gaps.
    assert plan([replace(declined(day), is_by_hand=True) for day in (0, 0.5)], day=1).at == START + DAY


def test_a_plan_says_what_happened_and_when_it_goes_on() -> None:
    assert plan([declined(0), declined(1)], day=1).detail == (
        "declined 2 times with this payment method, last on 2026-11-02: next try from 2026-11-05 12:00 UTC"
    )


def test_no_payment_method() -> None:
    attempts = [declined(0)]
    assert plan(attempts, method=None).reason_id == NO_METHOD
    assert plan(attempts, method=None).at is None
    for by_hand in (True, False):
        refusal = may_try_now(attempts, None, NO_SPREAD, START, by_hand=by_hand)
        assert refusal is not None
        assert (refusal.reason_id, refusal.until) == (NO_METHOD, None)


def test_never_tried_is_due_at_once() -> None:
    assert plan([]).at == START
    assert plan([]).reason_id == FIRST_TRY


def test_a_hard_decline_is_final_for_its_payment_method_only() -> None:
    attempts = [declined(0), declined(1, DeclineClass.HARD)]
    assert plan(attempts, day=300).at is None
    assert plan(attempts, day=300).reason_id == HARD_DECLINE
    for by_hand in (True, False):
        refusal = may_try_now(attempts, "pm_1", NO_SPREAD, START + 300 * DAY, by_hand=by_hand)
        assert refusal is not None
        assert (refusal.reason_id, refusal.until) == (HARD_DECLINE, None)
    changed = plan(attempts, method="pm_2", day=2)
    assert (changed.reason_id, changed.at) == (METHOD_CHANGED, START + 2 * DAY)
    assert may_try_now(attempts, "pm_2", NO_SPREAD, START + 2 * DAY, by_hand=False) is None


def test_changing_back_to_a_method_that_was_declined_for_good_does_not_help() -> None:
    attempts = [declined(0, DeclineClass.HARD), declined(1, method="pm_2")]
    assert plan(attempts, day=2).reason_id == HARD_DECLINE


def test_changing_back_and_forth_does_not_shorten_the_gaps() -> None:
    attempts = [declined(0), declined(0.1, method="pm_2")]
    assert plan(attempts, day=0.2).at == START + DAY


def test_a_customer_has_to_act() -> None:
    attempts = [declined(0, DeclineClass.NEEDS_CUSTOMER)]
    assert plan(attempts, day=100).at is None
    assert plan(attempts, day=100).reason_id == NEEDS_CUSTOMER
    refusal = may_try_now(attempts, "pm_1", NO_SPREAD, START + 100 * DAY, by_hand=False)
    assert refusal is not None
    assert refusal.reason_id == NEEDS_CUSTOMER
    assert may_try_now(attempts, "pm_1", NO_SPREAD, START, by_hand=True) is None
    assert plan(attempts, method="pm_2", day=1).at == START + DAY


def test_a_method_added_where_there_was_none() -> None:
    attempts = [declined(0, DeclineClass.NEEDS_CUSTOMER, None, reached_gateway=False)]
    assert plan(attempts, day=3).at == START + 3 * DAY


def test_gaps_start_anew_with_another_method() -> None:
    attempts = [declined(0), declined(1), declined(4), declined(9, method="pm_2")]
    assert plan(attempts, method="pm_2", day=9).at == START + 10 * DAY


def test_unknown_declines_are_tried_few_times() -> None:
    first = declined(0, DeclineClass.UNKNOWN)
    assert plan([first]).at == START + DAY
    second = plan([first, declined(1, DeclineClass.UNKNOWN)], day=1)
    assert (second.at, second.reason_id) == (None, UNKNOWN_DECLINE)
    assert second.detail == "declined 2 times for a reason not known, last on 2026-11-02"
    assert plan([first], replace(NO_SPREAD, most_unknown=1)).reason_id == UNKNOWN_DECLINE
    # A soft decline in between moves on along the same gaps.
    assert plan([first, declined(1)], day=1).at == START + 4 * DAY


def test_the_order_of_attempts_does_not_matter() -> None:
    attempts = [declined(0), declined(1), declined(4, DeclineClass.HARD)]
    assert plan(attempts[::-1], day=4) == plan(attempts, day=4)


def test_too_soon_by_itself_but_not_by_hand() -> None:
    attempts = [declined(0), declined(1)]
    refusal = may_try_now(attempts, "pm_1", NO_SPREAD, START + 2 * DAY, by_hand=False)
    assert refusal is not None
    assert (refusal.reason_id, refusal.until) == (TOO_SOON, START + 4 * DAY)
    assert may_try_now(attempts, "pm_1", NO_SPREAD, START + 2 * DAY, by_hand=True) is None
    assert may_try_now(attempts, "pm_1", NO_SPREAD, START + 4 * DAY, by_hand=False) is None


@pytest.mark.parametrize("decline_class", DeclineClass)
@pytest.mark.parametrize("method", ["pm_1", "pm_2"])
def test_the_cap_counts_every_class_and_method(decline_class: DeclineClass, method: str) -> None:
    attempts = [declined(day / 10, decline_class) for day in range(14)] + [declined(2, DeclineClass.SOFT, "pm_2")]
    refusal = may_try_now(attempts, method, NO_SPREAD, START + 29 * DAY, by_hand=True)
    assert refusal is not None
    if (decline_class, method) == (DeclineClass.HARD, "pm_1"):
        assert refusal.reason_id == HARD_DECLINE
        return
    assert (refusal.reason_id, refusal.until) == (CAPPED, START + 30 * DAY)
    assert refusal.detail == "tried 15 times within 30 days, the most allowed: not before 2026-12-01 12:00 UTC"
    assert may_try_now(attempts, method, NO_SPREAD, START + 30 * DAY, by_hand=True) is None


def test_a_capped_try_is_planned_for_when_the_cap_leaves_room() -> None:
    policy = replace(NO_SPREAD, most_in_30_days=2)
    attempts = [declined(0), declined(1)]
    following = plan(attempts, policy, day=1)
    assert (following.at, following.reason_id) == (START + 30 * DAY, CAPPED)
    changed = plan(attempts, policy, method="pm_2", day=1)
    assert (changed.at, changed.reason_id) == (START + 30 * DAY, CAPPED)
    # More than the cap allows, as after lowering it: enough of them have to fall out.
    assert plan([*attempts, declined(4)], policy, day=4).at == START + 31 * DAY


def test_a_cap_that_has_long_opened_does_not_hold_up() -> None:
    policy = replace(NO_SPREAD, most_in_30_days=2)
    assert plan([declined(0), declined(1)], policy, day=50).reason_id == RETRY


def test_what_never_reached_the_gateway_does_not_count_for_the_cap() -> None:
    policy = replace(NO_SPREAD, most_in_30_days=1)
    attempts = [declined(0, reached_gateway=False)]
    assert may_try_now(attempts, "pm_1", policy, START, by_hand=True) is None
    assert plan(attempts, policy).at == START + DAY


def test_a_months_failures_are_spread_over_the_day() -> None:
    instants = [plan_retry(f"A-202611-{n:06}", [declined(0)], "pm_1", Policy(), START).at for n in range(2400)]
    hours = [int((at - START - DAY) / timedelta(hours=1)) for at in instants if at is not None]
    assert len(hours) == 2400
    assert set(hours) == set(range(24))
    assert max(hours.count(hour) for hour in range(24)) < 200


def test_a_changed_method_is_not_spread() -> None:
    noon = datetime(2026, 11, 5, 12, tzinfo=UTC)
    assert plan_retry(STATEMENT, [declined(0)], "pm_2", Policy(), noon).at == noon


@pytest.mark.parametrize(
    "numbers", [{"gaps_days": (1, 0)}, {"most_in_30_days": 0}, {"most_unknown": -1}, {"spread_hours": -1}]
)
def test_a_policy_that_makes_no_sense(numbers: dict[str, object]) -> None:
    with pytest.raises(BadInput, match=next(iter(numbers))):
        Policy(**numbers)  # type: ignore[arg-type]


# ---- Whatever happens


def policies() -> st.SearchStrategy[Policy]:
    gaps = st.lists(st.integers(1, 10), max_size=12).map(lambda days: tuple(sorted(days)))
    return st.builds(Policy, gaps, st.integers(1, 15), st.integers(0, 3), st.sampled_from([0, 1, 24]))


def histories() -> st.SearchStrategy[list[Attempt]]:
    attempt = st.builds(
        declined,
        st.floats(0, 60),
        st.sampled_from(DeclineClass),
        st.sampled_from(["pm_1", "pm_2", None]),
        reached_gateway=st.booleans(),
    )
    return st.lists(attempt, max_size=20)


class Year:
    """A statement that is never paid, looked at once a day; what happens is drawn."""

    def __init__(self, policy: Policy, draws: st.DataObject) -> None:
        self.policy = policy
        self.draws = draws
        self.attempts: list[Attempt] = []
        self.automatic: list[Attempt] = []
        self.method = "pm_1"

    def run(self) -> None:
        # Each day's events as one draw, so that a year stays small enough for the generator.
        classes = [DeclineClass.SOFT] * 5 + [DeclineClass.UNKNOWN, DeclineClass.NEEDS_CUSTOMER, DeclineClass.HARD]
        days = self.draws.draw(
            st.lists(st.tuples(st.sampled_from(classes), st.integers(0, 40), st.booleans()), min_size=1, max_size=60)
        )
        for day in range(365):
            decline_class, event, reached = days[day % len(days)]
            now = START + day * DAY
            if event < 3:
                self.method = f"pm_{event}"
            if (
                event in range(2, 12)
                and may_try_now(self.attempts, self.method, self.policy, now, by_hand=True) is None
            ):
                self._try(now, decline_class, reached, by_hand=True)
            following = plan_retry(STATEMENT, self.attempts, self.method, self.policy, now)
            if following.at is not None and following.at <= now:
                assert may_try_now(self.attempts, self.method, self.policy, now, by_hand=False) is None
                self.automatic.append(self._try(now + timedelta(minutes=1), decline_class, reached))

    def _try(self, at: datetime, decline_class: DeclineClass, reached: bool, *, by_hand: bool = False) -> Attempt:
        attempt = Attempt(at, decline_class, None, self.method, reached, by_hand)
        self.attempts.append(attempt)
        return attempt

    def before(self, attempt: Attempt) -> Iterator[Attempt]:
        """The earlier attempts with the same method, latest first."""
        position = self.attempts.index(attempt)
        return (a for a in reversed(self.attempts[:position]) if a.payment_method == attempt.payment_method)


@given(policies(), st.data())
def test_a_year_day_by_day(policy: Policy, draws: st.DataObject) -> None:
    year = Year(policy, draws)
    year.run()
    reached = [attempt.attempted_at for attempt in year.attempts if attempt.reached_gateway]
    for start in reached:
        assert sum(start <= at < start + 30 * DAY for at in reached) <= policy.most_in_30_days
    for attempt in year.attempts:
        last = next(year.before(attempt), None)
        assert last is None or last.decline_class is not DeclineClass.HARD
    for attempt in year.automatic:
        earlier = list(year.before(attempt))
        if not earlier:
            continue
        assert earlier[0].decline_class in {DeclineClass.SOFT, DeclineClass.UNKNOWN}
        soft = [a for a in earlier if a.decline_class in {DeclineClass.SOFT, DeclineClass.UNKNOWN}]
        climbed = [a for a in soft if not a.is_by_hand] or soft[-1:]
        assert len(climbed) <= len(policy.gaps_days)
        assert attempt.attempted_at >= climbed[0].attempted_at + policy.gaps_days[len(climbed) - 1] * DAY
        if earlier[0].decline_class is DeclineClass.UNKNOWN:
            assert sum(a.decline_class is DeclineClass.UNKNOWN for a in earlier) < policy.most_unknown


@given(histories(), policies(), st.sampled_from(["pm_1", "pm_2", None]), st.floats(0, 90))
def test_deterministic_and_in_agreement(
    attempts: list[Attempt], policy: Policy, method: str | None, day: float
) -> None:
    now = START + day * DAY
    first = plan_retry(STATEMENT, attempts, method, policy, now)
    assert first == plan_retry(STATEMENT, list(attempts), method, policy, now)
    refusal = may_try_now(attempts, method, policy, now, by_hand=False)
    if first.at is not None and first.at <= now:
        assert refusal is None
    if first.at is None:
        assert refusal is not None
        assert (refusal.reason_id, refusal.detail, refusal.until) == (first.reason_id, first.detail, None)
    if refusal is None:
        assert may_try_now(attempts, method, policy, now, by_hand=True) is None
    elif refusal.until is not None:
        assert refusal.until > now
        assert first.at is not None
        assert first.at >= refusal.until


@given(histories(), policies(), st.sampled_from(["pm_1", "pm_2", None]), st.floats(0, 90))
def test_the_preview_is_what_stepping_through_gives(
    attempts: list[Attempt], policy: Policy, method: str | None, day: float
) -> None:
    now = START + day * DAY
    instants = preview(STATEMENT, attempts, method, policy, now)
    own = sorted((a for a in attempts if a.payment_method == method), key=lambda a: a.attempted_at)
    again = own[-1].decline_class if own and own[-1].decline_class is DeclineClass.UNKNOWN else DeclineClass.SOFT
    tried = list(attempts)
    for at in instants:
        following = plan_retry(STATEMENT, tried, method, policy, now)
        assert following.at is not None
        assert at == max(following.at, now)
        now = at
        tried.append(Attempt(at, again, None, method, reached_gateway=True))
    assert plan_retry(STATEMENT, tried, method, policy, now).at is None


def test_the_gaps_of_a_preview_grow_within_the_spread() -> None:
    instants = preview(STATEMENT, [declined(0)], "pm_1", Policy(), START)
    assert len(instants) == 6
    for gap, (before, after) in zip(Policy().gaps_days, pairwise([START, *instants]), strict=True):
        assert gap * DAY <= after - before < (gap + 1) * DAY
