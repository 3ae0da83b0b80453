"""The codes of a statement in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from evbilling.payments.retries.declines import DeclineClass
from evbilling.payments.retries.planner import Attempt, Policy, plan_retry
from evbilling.read_models.statement.labels import plan_says

NOW = datetime(2026, 11, 28, 3, 42, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    ("planned_at", "reason_id", "detail", "said"),
    [
        (
            None,
            "TO-BE-PLANNED",
            "a charge failed",
            "The next automatic retry is still to be scheduled: a charge failed.",
        ),
        (None, "NO-METHOD", "no payment method is stored.", "No automatic retry: no payment method is stored."),
        (NOW, "FIRST-TRY", "never tried", "Automatic retry scheduled for 28 Nov 2026, 03:42 UTC. Never tried."),
    ],
)
def test_a_plan_in_words(planned_at: datetime | None, reason_id: str, detail: str, said: str) -> None:
    """Whether a failed statement is retried, when and why."""
    assert plan_says(planned_at, reason_id, detail) == said


@pytest.mark.parametrize(("most", "because"), [(15, "Declined once with this payment method"), (1, "Tried once")])
def test_the_time_of_a_retry_is_said_once(most: int, because: str) -> None:
    """The planner's own detail ends with it."""
    declined = Attempt(NOW - timedelta(days=1), DeclineClass.SOFT, None, "pm_1", reached_gateway=True)
    plan = plan_retry("A-202611-000001", [declined], "pm_1", Policy(most_in_30_days=most), NOW)
    assert plan.at is not None
    text = plan_says(plan.at, plan.reason_id, plan.detail)
    when = f"{plan.at.day} {plan.at:%b %Y, %H:%M} UTC"
    assert text.startswith(f"Automatic retry scheduled for {when}. {because}")
    assert text.count("UTC") == 1
