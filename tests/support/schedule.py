"""What runs and where: the gate or everything, the longest first, a module's tests on one worker of `pytest -n`."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# Seconds by unit of work, written by `pytest -n 3 --record-durations`, with `--full` for all.
DURATIONS = Path(__file__).resolve().parents[1] / "durations.json"

# A busy machine is no fault: no example fails for the time it took.
hypothesis.settings.register_profile("gate", deadline=None, max_examples=30)
hypothesis.settings.register_profile("full", deadline=None, max_examples=300)
# For planted faults: that a test fails is enough, and to find the simplest example takes minutes.
hypothesis.settings.register_profile(
    "planted", deadline=None, max_examples=30, phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate]
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of this project's tests."""
    group = parser.getgroup("evbilling")
    group.addoption("--full", action="store_true", help="run the tests marked `full` too, and more examples")
    group.addoption("--record-durations", action="store_true", help=f"keep the durations in {DURATIONS.name}")


def pytest_configure(config: pytest.Config) -> None:
    """Choose the profile of Hypothesis, and record durations where that is asked for."""
    hypothesis.settings.load_profile(config.option.hypothesis_profile or ("full" if config.option.full else "gate"))
    if config.option.record_durations and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Recorder(is_all=config.option.full), "durations")


@pytest.fixture(scope="session")
def full(pytestconfig: pytest.Config) -> bool:
    """True with `--full`: the test may take the time for every case."""
    return bool(pytestconfig.option.full)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what is marked `full` without `--full`; with `pytest -n` the longest units of work come first."""
    if not config.option.full:
        kept = [item for item in items if not item.get_closest_marker("full")]
        if len(kept) < len(items):
            config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("full")])
            items[:] = kept
    if hasattr(config, "workerinput"):
        known = json.loads(DURATIONS.read_text(encoding="utf-8"))
        # A unit that isn't known yet may be long.
        items.sort(key=lambda item: -known.get(unit_of_work(item.nodeid, config.option.full), 1e6))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `pytest -n` a module stays on one worker, which has its fixtures; a free worker takes the next."""
    from xdist.scheduler.loadscope import LoadScopeScheduling

    class ByUnit(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return unit_of_work(nodeid, config.option.full)

    config.option.loadscopereorder = False
    return ByUnit(config, log)


def unit_of_work(test: str, is_full: bool) -> str:
    """What goes to one worker as a whole: the test's module, with four exceptions."""
    module = test.partition("::")[0]
    if "/e2e/" in module:
        # Two Airflow installations at once would only be in each other's way, and most of these tests share one.
        return "tests/e2e"
    if "[" in test and module.endswith("/test_plants.py"):
        # The plants of an area: "...::test_a_planted_fault_is_caught[money/half-even-tax]".
        return f"{module.rpartition('/')[0]}/{test.partition('[')[2].partition('/')[0].rstrip(']')}"
    if is_full and "[" in test and module.endswith("/test_interleavings.py"):
        # An hour, and the schedules that begin in one state share nothing with the others.
        return f"{module}[{test.partition('[')[2].partition('-')[0]}]"
    # Each of these tests takes long, and they share nothing.
    return test if module.endswith("/test_kills.py") else module


class _Recorder:
    """Adds up how long each unit of work took, and keeps it when the session has passed; the gate its own only."""

    def __init__(self, *, is_all: bool) -> None:
        self._is_all = is_all
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[unit_of_work(report.nodeid, self._is_all)] += report.duration

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        if exitstatus == pytest.ExitCode.OK:
            known = {} if self._is_all else json.loads(DURATIONS.read_text(encoding="utf-8"))
            known |= {unit: round(seconds, 1) for unit, seconds in self._seconds.items()}
            DURATIONS.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
