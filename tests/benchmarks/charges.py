"""Charges a second against the limit that is set, with the sandbox in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from evbilling.payments import open_payment_services
from evbilling.payments.charge import charge_period
from evbilling.payments.gateway import GatewaySettings
from evbilling.period import Period
from evbilling_local.ports import LOOPBACK, free_port
from tests.benchmarks.month import PERIOD, empty_warehouse, prepare, product_month
from tests.support.postgres import PostgresServer

_KEY = "sk_test_bench"
_RATES = (20.0, 100.0, 10_000.0)
# So many statements are charged at a rate: ten seconds' worth or more, since a batch begins slowly.
_STATEMENTS = {20.0: 200, 100.0: 3_000, 10_000.0: 2_000}


def charges_per_second(server: PostgresServer) -> dict[str, Any]:
    """Charges a second at each rate, from the first call to the last answer recorded."""
    found = []
    for rate in _RATES:
        world = prepare(server, _STATEMENTS[rate], 3)
        empty_warehouse(world.admin_url)
        product_month(world)
        with (
            _sandbox() as url,
            open_payment_services(world.services, GatewaySettings(_KEY, url, 20.0, 2, rate)) as payments,
        ):
            start = time.monotonic()
            done = charge_period(payments, Period.parse(PERIOD), actor="bench", now=datetime.now(UTC))
            seconds = time.monotonic() - start
        found.append({"limit_per_s": rate, "charges": done["opened"], "per_s": done["opened"] / seconds})
    said = ", ".join(f"{f['per_s']:.1f} at a limit of {f['limit_per_s']:,.0f}" for f in found)
    return {"rates": found, "says": f"charges a second: {said}"}


@contextmanager
def _sandbox() -> Generator[str]:
    port = free_port(0)
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "sandbox.sqlite"
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "evbilling.cli",
                "sandbox",
                "--quiet",
                "--port",
                str(port),
                "--state",
                str(state),
            ],
            stdout=subprocess.DEVNULL,
        )
        try:
            url = f"http://{LOOPBACK}:{port}"
            for _ in range(200):
                try:
                    httpx.get(url, timeout=1, trust_env=False)
                    break
                except httpx.TransportError:
                    time.sleep(0.05)
            yield url
        finally:
            process.terminate()
            process.wait()
