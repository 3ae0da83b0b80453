"""`evbilling check` and what it sends: to a real mail server, and to a web server in the shapes of three services."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evbilling.cli.main import main
from evbilling.period import Period
from evbilling_local.ports import LOOPBACK, free_port
from tests.support.books import Books
from tests.support.mail import PostOffice, body, post_office
from tests.support.month import one, rows
from tests.support.webhooks import Webhooks, webhooks

pytestmark = pytest.mark.postgres


@dataclass
class World:
    books: Books
    hooks: Webhooks
    office: PostOffice
    connections: Path

    def check(self, *options: str, url: str | None = None) -> int:
        given = ["check", "--url", url or self.books.writer, "--notify", "--connections", str(self.connections)]
        return main([*given, *options])

    def passes(self, age: str) -> None:
        """So much time passes for what was sent."""
        with psycopg.connect(self.books.warehouse.admin_url) as connection:
            connection.execute(
                f"update billing.alert_message set claimed_at = claimed_at - interval '{age}',"
                f" sent_at = sent_at - interval '{age}'"
            )


@pytest.fixture
def world(platform_db: str, warehouse_db: Any, tmp_path: Path) -> Iterator[World]:
    """Nobody is to be billed yet; all channels are set, and no Airflow answers."""
    books = Books(platform_db, warehouse_db, tmp_path)
    with webhooks() as hooks, post_office() as office:
        extra = {
            "mail_to": "ops@cpo.example",
            "webhook_url": f"{hooks.url}/json",
            "slack_url": f"{hooks.url}/slack/T0/secret-1",
            "pagerduty_key": "secret-2",
            "pagerduty_url": f"{hooks.url}/v2/enqueue",
            "runbooks_url": "https://docs.example.org/runbooks",
        }
        smtp = {"host": LOOPBACK, "port": office.port}
        smtp["extra"] = {"from_email": "billing@cpo.example", "disable_ssl": True, "disable_tls": True}  # type: ignore[assignment]
        connections = tmp_path / "connections.json"
        connections.write_text(json.dumps({"alerts": {"extra": extra}, "smtp": smtp}))
        yield World(books, hooks, office, connections)


def test_an_alert_is_sent_once_a_cause_then_daily_and_its_end_is_said(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """By each channel in its shape, with what to do; a channel that refuses is asked again and stops nothing."""
    assert world.check() == 0
    assert "in order" in capsys.readouterr().out
    assert not world.hooks.got

    this = Period(*one(world.books.writer, "select array[extract(year from now()), extract(month from now())]::int[]"))
    missing = str(this.shifted(-1))
    cause = f"connector_statements:{missing}"
    world.books.open("Hôtel Müller")
    world.books.bill(str(this.shifted(-2)))
    with psycopg.connect(world.books.warehouse.admin_url) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute("update billing.mail set created_at = created_at - interval '2 hours'")
    world.hooks.status = 503
    assert world.check("--json") == 1
    told = capsys.readouterr()
    found = json.loads(told.out)
    causes = {
        f"{level['service_level']}:{level['period']}" if level["period"] else level["service_level"]
        for level in found["service_levels"]
        if level["needs_somebody"]
    }
    assert {cause, "mail_delivery"} <= causes
    assert f"alert {cause} by slack isn't sent: answers with status 503" in told.err
    assert "secret" not in told.err + told.out
    assert len(world.office.kept) == len(causes), "mail doesn't wait for the webhooks"

    world.hooks.status = 202
    world.hooks.got.clear()
    world.check()
    assert not world.hooks.got, "asked again after two minutes"
    world.passes("2 minutes")
    world.check()
    assert {message["cause"] for message in world.hooks.got["/json"]} == causes
    assert len(world.hooks.got["/json"]) == len(causes)
    late = next(m for m in world.hooks.got["/json"] if m["cause"] == cause)
    assert (late["event"], late["accounts"], late["money"]) == ("began", 1, {"EUR": "5.95"})
    assert late["runbook"] == "https://docs.example.org/runbooks/alerts/connector_statements.md"
    event = next(m for m in world.hooks.got["/v2/enqueue"] if m["dedup_key"] == cause)
    assert (event["routing_key"], event["event_action"]) == ("secret-2", "trigger")
    assert (event["payload"]["severity"], event["payload"]["source"]) == ("critical", "evbilling")
    (text,) = [m["text"] for m in world.hooks.got["/slack/T0/secret-1"] if f"of {missing}" in m["text"]]
    assert "Concerned: 1 account, 5.95 EUR" in text
    mail = next(m for _, m in world.office.kept if f"of {missing}" in str(m["Subject"]))
    assert "What to do: Nobody is billed for the month until the run ends" in body(mail, "plain")
    everything = json.dumps(world.hooks.got) + "".join(body(m, "plain") for _, m in world.office.kept)
    assert "Müller" not in everything

    world.hooks.got.clear()
    world.passes("23 hours")
    world.check()
    assert not world.hooks.got
    world.passes("1 hour")
    world.check()
    assert {message["event"] for message in world.hooks.got["/json"]} == {"lasts"}
    world.hooks.got.clear()
    world.books.bill(missing)
    world.check()
    (ended,) = world.hooks.got["/json"]
    assert (ended["event"], ended["cause"]) == ("ended", cause)
    (resolved,) = world.hooks.got["/v2/enqueue"]
    assert (resolved["event_action"], resolved["dedup_key"]) == ("resolve", cause)
    ends = "select distinct cause from billing.alert where ended_at is not null"
    assert rows(world.books.warehouse.admin_url, ends) == [(cause,)]


def test_a_warehouse_that_doesnt_answer_is_said_once(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2; the note beside the check keeps that it was sent, and its end is said."""
    state, nobody = world.connections.with_name("outage"), f"postgresql://{LOOPBACK}:{free_port(0)}/x"
    for _ in range(2):
        assert world.check("--state", str(state), url=nobody) == 2
    (sent,) = world.hooks.got["/json"]
    assert (sent["event"], sent["alert"]) == ("began", "warehouse")
    assert "unknown: warehouse" in capsys.readouterr().out
    assert world.check("--state", str(state)) == 0
    assert [message["event"] for message in world.hooks.got["/json"]] == ["began", "ended"]


def test_airflow_that_doesnt_run_is_said_while_nothing_is_due(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody listens, or what answers can't; once. Its end is said where it isn't asked any more."""
    for address in (f"http://{LOOPBACK}:{free_port(0)}", world.hooks.url, ""):
        content = json.loads(world.connections.read_text())
        content["alerts"]["extra"]["airflow_url"] = address
        world.connections.write_text(json.dumps(content))
        assert world.check() == int(bool(address))
    assert "Airflow doesn't run: Airflow's scheduler or API server doesn't run" in capsys.readouterr().out
    sent = [(message["event"], message["cause"]) for message in world.hooks.got["/json"]]
    assert sent == [("began", "airflow"), ("ended", "airflow")]


@pytest.mark.parametrize(
    ("extra", "what"),
    [
        ({"mail_too": "a@b.example"}, "has mail_too, which is no setting"),
        ({"webhook_url": "hooks.example.org"}, "webhook_url is no web address"),
        ({"mail_to": "nobody"}, "mail_to has 'nobody', no e-mail address"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    world: World, extra: dict[str, str], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    content = json.loads(world.connections.read_text())
    content["alerts"]["extra"] = extra
    world.connections.write_text(json.dumps(content))
    assert world.check() == 2
    assert what in capsys.readouterr().err
