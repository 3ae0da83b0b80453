"""Mails a second: connector statements with their PDF, from the outbox to a mail server in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg

from evbilling.mail.delivery import deliver
from evbilling.mail.messages import Sender
from evbilling.mail.recipients import Address
from evbilling.mail.smtp import SmtpSettings
from evbilling_local.ports import LOOPBACK, free_port
from tests.benchmarks.month import empty_warehouse, prepare, product_month
from tests.support.postgres import PostgresServer

_ACCOUNTS = 700


def mails_per_second(server: PostgresServer) -> dict[str, Any]:
    """Mails a second, letters and PDFs included, and the sentence that says so."""
    world = prepare(server, _ACCOUNTS, 20)
    empty_warehouse(world.admin_url)
    product_month(world)
    with psycopg.connect(world.admin_url) as connection:
        # Old months are held, and the month of the benchmark grows old.
        connection.execute("update billing.mail set state = 'pending' where state = 'held'")
    with _sink() as port:
        settings = SmtpSettings(LOOPBACK, port, Sender(Address("bench@cpo.example")), security="none")
        start = time.monotonic()
        done = deliver(world.services, settings)
        seconds = time.monotonic() - start
    rate = done["sent"] / seconds
    return {"sent": done["sent"], "per_s": rate, "says": f"mails with their PDF: {rate:.0f} a second ({done['sent']})"}


@contextmanager
def _sink() -> Generator[int]:
    smtp_port, http_port = free_port(0), free_port(0)
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "evbilling.cli",
                "mail-sink",
                "--smtp-port",
                str(smtp_port),
                "--http-port",
                str(http_port),
                "--folder",
                folder,
            ],
            stdout=subprocess.DEVNULL,
        )
        try:
            for _ in range(400):
                try:
                    httpx.get(f"http://{LOOPBACK}:{http_port}/health", timeout=1, trust_env=False)
                    break
                except httpx.TransportError:
                    time.sleep(0.05)
            yield smtp_port
        finally:
            process.terminate()
            process.wait()
