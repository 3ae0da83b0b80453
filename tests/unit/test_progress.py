"""How far long work is: its words, its rate, and that whoever looks sees each half minute."""

from __future__ import annotations

import pytest

from evbilling.progress import Measure, Progress, watched
from evbilling.warehouse.progress import StepOfRun, progress_kept
from tests.support.progress import PlayedClock


@pytest.mark.parametrize(
    ("measure", "words"),
    [
        (Measure("", 0, None), "under way"),
        (Measure("statements", 0, 5_000), "0 of 5,000 statements"),
        (
            Measure("statements", 1_200, 5_000, 3, 20.0),
            "1,200 of 5,000 statements, 20.0 a second, 3 failed, about 3 minutes left",
        ),
        (
            Measure("statements", 4_999, 5_000, 0, 0.25),
            "4,999 of 5,000 statements, 0.25 a second, less than a minute left",
        ),
        (Measure("statements", 10, 100_000, 0, 5.0), "10 of 100,000 statements, 5.0 a second, about 5.6 hours left"),
        (Measure("statements", 5_000, 5_000, 0, 96.0), "5,000 of 5,000 statements, 96.0 a second"),
        (Measure("charges", 1_200_000, None, 0, 40_000.4), "1,200,000 charges, 40,000 a second"),
        (Measure("shards", 0, 0), "0 of 0 shards"),
    ],
)
def test_the_words(measure: Measure, words: str) -> None:
    """Done of all, rate, failures so far, time left: whatever of them is known."""
    assert measure.sentence() == words


def test_a_resumed_step_has_the_rate_of_this_try() -> None:
    """What an earlier try has done counts as done, but says nothing of how quick this one is."""
    progress = Progress()
    progress.begin("statements", 5_000, done=1_000, failed=7)
    progress.advance(60, failed=1)
    assert progress.measured(30) == Measure("statements", 1_060, 5_000, 8, 2.0)
    assert progress.measured(0.1).per_second is None


def test_each_half_minute_and_each_beginning_is_reported() -> None:
    """A line is due after each half minute; at the start, at a beginning and at the end the figures alone are new."""
    clock, progress, reports = PlayedClock(), Progress(), list[tuple[int, bool]]()
    with watched(progress, lambda measure, is_due: reports.append((measure.done, is_due)), clock):
        clock.wait_for_the_watcher()
        progress.begin("statements", 100, done=10)
        clock.wait_for_the_watcher()
        for _ in range(90):
            progress.advance()
            clock.go_on(1)
    assert reports == [(0, False), (10, False), (40, True), (70, True), (100, True), (100, False)]


def test_an_error_of_the_work_ends_the_watching() -> None:
    """The error comes out as it is, after a last report."""
    reports: list[Measure] = []
    with pytest.raises(ValueError, match="broken"), watched(Progress(), lambda measure, _: reports.append(measure)):
        raise ValueError("broken")
    assert reports[-1] == Measure("", 0, None)


def test_a_step_whose_progress_cant_be_kept_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """A warehouse that doesn't answer costs the figures of this half minute, and nothing else."""
    step, progress = StepOfRun("connector_statements", "r", "extract_inventory", "2026-11", 1, 4), Progress()
    with progress_kept("postgresql://127.0.0.1:9/nowhere", step, progress):
        progress.begin("shards", 4)
        progress.advance(4)
    assert progress.done == 4
    assert caplog.messages
    assert set(caplog.messages) == {
        "extract_inventory, part 2 of 4, of 2026-11: how far it is couldn't be kept in the warehouse"
    }
