"""Sending by mail from the pages: to whom, whether once more, and what the mail server made of it."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from tests.support.action_pages import ActionPages, words
from tests.support.mail import post_office

pytestmark = [pytest.mark.airflow, pytest.mark.postgres]


@pytest.fixture
def smtp(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes a mail server the one of the Airflow connection."""

    def known(office: Any) -> None:
        extra = {"from_email": "billing@cpo.example", "disable_ssl": True, "disable_tls": True}
        server = {"conn_type": "smtp", "host": "127.0.0.1", "port": office.port, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_SMTP", json.dumps(server))

    return known


def hold(pages: ActionPages) -> None:
    """Nothing waits any more: it is sent only if somebody asks for it."""
    with psycopg.connect(pages.world.admin_url) as connection:
        connection.execute("update billing.mail set state = 'held', last_error = 'held' where state = 'pending'")


def test_a_statement_is_sent_and_then_once_more(pages: ActionPages, smtp: Any) -> None:
    """First what waits is said to wait; what was sent goes out again as a copy; each with who asked and why."""
    statement = pages.world.ids[0]
    with post_office() as office:
        smtp(office)
        waiting = words(pages.ask("send-mail", statement).text)
        assert "This action isn't available: it is already waiting to be sent" in waiting
        hold(pages)
        shown = words(pages.ask("send-mail", statement).text)
        assert "Message Connector statement To fa-a00000@example.org Sent for the first time" in shown
        said = pages.do("send-mail", statement, reason="asked for on the phone")
        assert "Done." in said
        assert f"{statement} Name of a00000 sent to fa-a00000@example.org" in said
        assert "Billing failure" not in said
        pages.airflow.runs.clear()
        assert "again: it was or may have been sent before" in words(pages.ask("send-mail", statement).text)
        assert "Done." in pages.do("send-mail", statement, reason="lost")
        assert len(office.kept) == 2
    query = "select actor, reason from finance.audit_events where action like '%%mail%%' order by event_id"
    assert pages.world.rows(query) == [("user", "asked for on the phone"), ("user", "lost")]


def test_what_the_mail_server_refuses_is_said(pages: ActionPages, smtp: Any) -> None:
    """The run has done its part, the message didn't arrive: that isn't green."""
    statement = pages.world.ids[0]
    hold(pages)
    with post_office(refuse={"fa-a00000@example.org": "550 no such user"}) as office:
        smtp(office)
        said = pages.do("send-mail", statement, reason="again")
    assert "It didn't work." in said
    assert "no such user" in said


def test_without_a_mail_server_it_waits(pages: ActionPages) -> None:
    """No connection smtp: the run succeeds, and the page says that the message still waits."""
    statement = pages.world.ids[0]
    hold(pages)
    said = pages.do("send-mail", statement, reason="again")
    assert "it waits to be sent" in said
    assert "Done." not in said


def test_a_notice_is_asked_for_by_its_kind(pages: ActionPages) -> None:
    """The notice of a failed charge, only where there was one; no other kinds than there are."""
    failed, paid = pages.world.ids[:2]
    hold(pages)
    shown = words(pages.ask("send-mail", failed, kind="failed_charge").text)
    assert "Message Notice of a failed charge" in shown
    form = pages.form("send-mail", failed, kind="failed_charge")
    assert pages.send("send-mail", form, reason="again").status_code == 303
    assert pages.airflow.only().conf["kind"] == "failed_charge"
    assert "This action isn't available" in words(pages.ask("send-mail", paid, kind="failed_charge").text)
    wrong = pages.ask("send-mail", failed, kind="<b>")
    assert wrong.status_code == 400
    assert "There is no such message kind." in words(wrong.text)


def test_several_at_once_and_none_unseen(pages: ActionPages) -> None:
    """Each with its recipient; an address that has changed since it was looked at is shown anew."""
    hold(pages)
    shown = pages.ask("send-mail", *pages.world.ids)
    assert "4 messages to be sent" in words(shown.text)
    form = pages.form("send-mail", *pages.world.ids)
    pages.world.platform.execute("update platform.app_user set email = 'other@example.net' where account_id = 'a00001'")
    answer = pages.send("send-mail", form, reason="all")
    assert answer.status_code == 409
    assert "other@example.net" in words(answer.text)
    assert pages.airflow.runs == {}
