"""A long charge as log, warehouse and page show it: at its start, in the middle, killed, resumed, at its end."""

from __future__ import annotations

import logging
import os
import re
import signal
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from evbilling.payments.charge import charge_period
from evbilling.payments.gateway.interface import Charge, ChargeResult
from evbilling.payments.gateway.stripe_gateway import StripeGateway
from evbilling.progress import Progress
from evbilling.read_models.month import StepUnderWay, steps_under_way
from evbilling.warehouse import connected
from evbilling.warehouse.progress import StepOfRun, progress_kept
from evbilling_local.cli.stack import print_under_way
from evbilling_local.stack import EmbeddedPostgres
from tests.support.kills import is_killed
from tests.support.month import NOW, PERIOD
from tests.support.payments import HARD, VISA, PaymentWorld, check_collected_once, payment_world
from tests.support.progress import PlayedClock
from tests.support.web import PREFIX

pytestmark = [pytest.mark.airflow, pytest.mark.postgres]

STATEMENTS = 400
# The next try waits so long for the claim of the killed one.
LEASE = 4.0
STEP = StepOfRun("connector_statements", "scheduled__2026-11", "charge", str(PERIOD))


def charge(world: PaymentWorld, monkeypatch: pytest.MonkeyPatch, at_call: Callable[[int], None]) -> None:
    """Charge one statement a second by a clock that is played; `at_call` with the number of each call, from 1."""
    clock, progress, calls = PlayedClock(), Progress(), 0
    real = StripeGateway.charge

    def charged(gateway: StripeGateway, asked: Charge) -> ChargeResult:
        nonlocal calls
        calls += 1
        clock.go_on(1)
        at_call(calls)
        return real(gateway, asked)

    monkeypatch.setattr(StripeGateway, "charge", charged)
    with world.payment_services(lease_seconds=LEASE, workers=1) as paid:
        base = replace(world.services, progress=progress)
        services = replace(paid, base=base)
        with progress_kept(base.warehouse_url, STEP, progress, clock):
            charge_period(services, PERIOD, actor="ann", now=NOW)
    monkeypatch.setattr(StripeGateway, "charge", real)


def under_way(world: PaymentWorld) -> list[StepUnderWay]:
    with connected(world.services.warehouse_url, what="warehouse") as connection:
        return steps_under_way(connection, PERIOD)


def shown(client: TestClient) -> str:
    """The page's bar and its line."""
    text = client.get(f"{PREFIX}/months/{PERIOD}").text
    found = re.search(r"<progress [^>]*?(value=\"[^\"]*\")?></progress>\s*<span class=\"far\">(.*?)</span>", text)
    return f"{found[1]} {found[2]}" if found else "no bar"


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_charge_that_is_killed_and_resumed(
    postgres: EmbeddedPostgres,
    tmp_path: Path,
    serve: Any,
    browser: Callable[..., TestClient],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each half minute says how far it is; a killed charge doesn't move; the next goes on from what is done."""
    caplog.set_level(logging.INFO, "evbilling.warehouse.progress")
    with payment_world(postgres, tmp_path, STATEMENTS, methods=(VISA, VISA, VISA, HARD)) as world:
        serve(world)
        client = browser()
        assert shown(client) == "no bar"
        seen: dict[int, str] = {}

        def look(call: int) -> None:
            if call in {1, 95, 300}:
                seen[call] = shown(client)

        def die(call: int) -> None:
            if call == 201:
                os.kill(os.getpid(), signal.SIGKILL)

        assert is_killed(partial(charge, world, monkeypatch, die))
        (killed,) = under_way(world)
        assert (killed.done, killed.total, killed.is_still) == (179, STATEMENTS, False)
        with psycopg.connect(world.admin_url) as connection:
            connection.execute("update billing.progress set noted_at = noted_at - interval '2 minutes'")
        (killed,) = under_way(world)
        assert killed.is_still
        assert re.fullmatch(
            r'value="0.4475" 179 of 400 statements, 44 failed, not moving since \d+ \w+, \d\d:\d\d UTC', shown(client)
        )

        print_under_way(SimpleNamespace(url=lambda _: world.services.warehouse_url))
        status = capsys.readouterr().out
        assert "Under way\n  2026-11  Charging: 179 of 400 statements, 44 failed, not moving since" in status

        charge(world, monkeypatch, look)
        check_collected_once(world)
        assert seen == {
            1: 'value="0.5" 200 of 400 statements, 50 failed',
            95: 'value="0.7225" 289 of 400 statements, 0.99 a second, 72 failed, about 2 minutes left',
        }
        lines = [record.getMessage() for record in caplog.records if record.name == "evbilling.warehouse.progress"]
        assert lines[0] == ("charge of 2026-11: 229 of 400 statements, 0.97 a second, 57 failed, about 3 minutes left")
        assert len(lines) == 6
        assert under_way(world) == []
        assert shown(client) == "no bar"
        assert world.one("select state from billing.progress") == "done"
