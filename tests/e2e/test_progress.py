"""A charge of 5,000 statements at 20 a second through real Airflow, watched, killed and watched again."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from evbilling_local.stack import API_SERVER, SANDBOX
from tests.support.stack import CONNECTOR_STATEMENTS, MONTH, Stack, command, path

pytestmark = [pytest.mark.e2e, pytest.mark.full]

# Not each made-up account is billed.
ACCOUNTS, STATEMENTS = 7_100, 5_000
PATH = path(CONNECTOR_STATEMENTS)
RUN = "long"
# With 32 calls at a time, 20 a second.
SLOW = {"rates": {"slow": 1.0}, "slow_seconds": 1.6, "on": "charges"}
LINE = (
    r"([\d,]+) of ([\d,]+) statements(?:, ([\d.]+) a second)?(?:, [\d,]+ failed)?"
    r"(?:, (about [\d.]+ \w+|less than a minute) left)?"
)


def wait(what: str, until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 900
    while not until():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(2)


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of its own with some 5,000 accounts to bill, whose gateway takes its time."""
    home = tmp_path_factory.mktemp("progress") / "home"
    try:
        command(home, "up")
        size = ("--accounts", str(ACCOUNTS), "--connectors-per-account", "1", "--today", "2026-11-20")
        command(home, "platform", "sample", *size)
        stack = Stack(home)
        httpx.put(f"{SANDBOX.url(stack.state)}/_sandbox/faults", json=SLOW, trust_env=False).raise_for_status()
        stack.unpause(CONNECTOR_STATEMENTS)
        yield stack
        stack.api.close()
    finally:
        command(home, "down", timeout=120)


def test_a_long_charge_is_watched(slow: Stack) -> None:
    """At the start, in the middle, after a kill and resume and at the end, log, page and terminal say the same."""
    home = slow.state.home

    def shown() -> str:
        page = f"{API_SERVER.url(slow.state)}/evbilling/months/{MONTH}"
        text = slow.web(page, authorization=slow.token("viewer"), accept="text/html").text
        found = re.search(r"Charging</a></span>\s*<progress[^>]*></progress>\s*<span class=\"far\">(.*?)</span>", text)
        return found[1] if found else ""

    def done() -> int:
        rows = slow.admin(
            "warehouse", "select done from billing.progress where step = 'charge' and unit = 'statements'"
        )
        return int(rows[0][0]) if rows else -1

    slow.trigger(RUN, partition_key=MONTH, conf={"deliver": "no"})
    wait("the start", lambda: done() >= 0 and bool(shown()))
    match = re.fullmatch(LINE, shown())
    assert match
    total = match[2]
    assert abs(int(total.replace(",", "")) - STATEMENTS) < STATEMENTS / 10
    wait("a third", lambda: done() > STATEMENTS / 3)
    match = re.fullmatch(LINE, shown())
    assert match
    assert 10 < float(match[3]) < 25
    assert "minutes" in match[4]
    assert f"{MONTH}  Charging: {match[0]}" in command(home, "status")
    seen = done()

    pid = slow.api.get(f"{PATH}/dagRuns/{RUN}/taskInstances/charge")["pid"]
    os.kill(pid, signal.SIGKILL)
    wait("the kill shows", lambda: "not moving since" in shown() or slow.tasks(RUN)["charge"].try_number > 1)
    wait("it goes on", lambda: slow.tasks(RUN)["charge"].try_number > 1 and done() > seen + 500)
    assert slow.api.get(f"{PATH}/dagRuns/{RUN}")["state"] == "running"
    wait("the end", lambda: slow.api.get(f"{PATH}/dagRuns/{RUN}")["state"] in {"success", "failed"})

    lines = re.findall(rf"charge of {MONTH}: {LINE}", slow.log(RUN, "charge"))
    first, last = (int(lines[at][0].replace(",", "")) for at in (0, -1))
    assert seen < first < last
    assert len(lines) >= 3
    assert shown() == ""
    assert "Under way" not in command(home, "status")
    statuses = dict(slow.finance("select status, count(*) from finance.statements where kind = 'connector' group by 1"))
    assert "Issued" not in statuses
    note = slow.api.get(f"{PATH}/dagRuns/{RUN}")["note"]
    assert re.match(rf"{MONTH}: {total} statements issued, .* collected", note), note
