"""The Airflow connection `smtp` as the mail server that it means, and the tasks' way to it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from evbilling.errors import BadInput
from evbilling.mail.smtp import SmtpSettings
from evbilling_airflow import mail
from evbilling_airflow.actions import SEND_MAIL
from evbilling_airflow.connections import smtp_settings

pytestmark = pytest.mark.airflow

FROM = {"from_email": "billing@cpo.example"}


def settings(monkeypatch: pytest.MonkeyPatch, extra: dict[str, Any] | None = None, **fields: Any) -> SmtpSettings:
    value = {"conn_type": "smtp", "host": "smtp.example.org", "extra": FROM if extra is None else extra} | fields
    monkeypatch.setenv("AIRFLOW_CONN_SMTP", json.dumps(value))
    found = smtp_settings()
    assert found is not None
    return found


def test_no_connection_is_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody has defined one, nothing is wrong: nothing is mailed."""
    monkeypatch.delenv("AIRFLOW_CONN_SMTP", raising=False)
    assert smtp_settings() is None


@pytest.mark.parametrize(
    ("extra", "security", "port"),
    [
        ({}, "tls", 465),
        ({"disable_ssl": True}, "starttls", 587),
        ({"disable_ssl": "true", "disable_tls": "True"}, "none", 25),
        ({"disable_ssl": False, "disable_tls": True}, "tls", 465),
    ],
)
def test_how_it_is_secured(monkeypatch: pytest.MonkeyPatch, extra: dict[str, Any], security: str, port: int) -> None:
    """As the names of Airflow's SMTP provider say, whether they come as booleans or as texts; each has its port."""
    found = settings(monkeypatch, FROM | extra)
    assert (found.security, found.port, found.verifies) == (security, port, True)
    assert settings(monkeypatch, FROM | extra, port=2525).port == 2525


def test_all_that_a_connection_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Login, sender, address for answers, timeout; the password shows nowhere."""
    extra = FROM | {"from_name": "CPO", "reply_to": "help@cpo.example", "timeout": "7", "ssl_context": "none"}
    found = settings(monkeypatch, extra, login="me", password="hidden-1")
    assert (found.login, found.password, found.timeout_seconds, found.verifies) == ("me", "hidden-1", 7.0, False)
    assert found.sender.address.text == "billing@cpo.example"
    assert found.sender.reply_to is not None
    assert (found.sender.name, found.sender.reply_to.text) == ("CPO", "help@cpo.example")
    assert "hidden-1" not in repr(found)


def test_the_login_is_the_sender_if_it_is_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many mail servers want it anyway."""
    assert settings(monkeypatch, {}, login="me@cpo.example", password="x").sender.address.text == "me@cpo.example"


@pytest.mark.parametrize(
    ("extra", "fields", "said"),
    [
        ({}, {}, "from_email is missing"),
        ({"from_email": "nobody"}, {}, "from_email is nobody"),
        (FROM | {"reply_to": "a@b, c@d"}, {}, "reply_to"),
        (FROM | {"timeout": "soon"}, {}, "timeout is 'soon'"),
        (FROM, {"host": ""}, "names no host"),
    ],
)
def test_a_connection_that_makes_no_sense(
    monkeypatch: pytest.MonkeyPatch, extra: dict[str, Any], fields: dict[str, Any], said: str
) -> None:
    """Said as what it is, with where to mend it."""
    with pytest.raises(BadInput, match=said) as refused:
        settings(monkeypatch, extra, **fields)
    assert "Airflow connection smtp" in str(refused.value)


def context(**params: Any) -> dict[str, Any]:
    given = {"statement_ids": None, "period": None, "kind": None, "states": ["held"], "reason": None, "dry_run": False}
    return {"params": given | params, "dag_run": SimpleNamespace(run_id="manual__1", run_type="manual")}


def test_nothing_asked_for_is_nothing_to_look_up() -> None:
    """The hourly run only sends what waits."""
    assert SEND_MAIL.carry_out(context()) == []


def test_a_kind_alone_is_refused() -> None:
    """It would be taken for all messages of the kind."""
    with pytest.raises(BadInput, match="no statements and no period"):
        SEND_MAIL.carry_out(context(kind="failed_charge"))


def test_a_dry_run_sends_nothing() -> None:
    """Neither the sweep nor the retries: no service is even looked for."""
    assert mail.deliver_all(context(dry_run=True)) == {}
    assert mail.deliver_notices(context(dry_run=True)) == {}


@pytest.mark.parametrize(("is_paused", "are_sent"), [(False, True), (True, False), (None, False)])
def test_retries_are_promised_only_if_airflow_says_that_their_dag_runs(
    monkeypatch: pytest.MonkeyPatch, is_paused: bool | None, are_sent: bool
) -> None:
    """Paused, or not known: no letter promises another try."""
    asked: list[str] = []
    told: dict[str, Any] = {}

    def get_dag(dag_id: str) -> SimpleNamespace:
        asked.append(dag_id)
        if is_paused is None:
            raise RuntimeError("no such DAG")
        return SimpleNamespace(is_paused=is_paused)

    here = SimpleNamespace(now=lambda: None)
    monkeypatch.setattr("evbilling_airflow.connections.services", lambda: here)
    monkeypatch.setattr("evbilling_airflow.connections.smtp_settings", lambda: None)
    for name in ("report_event", "look"):
        monkeypatch.setattr(f"evbilling_airflow.mail.{name}", lambda *_: None)
    monkeypatch.setattr("evbilling.mail.deliver", lambda *_, **options: told.update(options) or {})
    mail.deliver_all(context() | {"ti": SimpleNamespace(get_dag=get_dag)})
    assert asked == ["payment_retries"]
    assert told == {"are_retries_sent": are_sent}
