"""What comes into the outbox, what is held back, what a person can ask for, and who may do what."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evbilling.connector_statements import validate
from evbilling.errors import BadInput
from evbilling.mail.requests import SendRequest, preview_send, request_send
from evbilling.payments.actions import Code, line
from evbilling.period import Period
from evbilling.services import Services
from evbilling_local.stack import EmbeddedPostgres
from tests.support.mail import PostOffice, attachments, post_office, send, states
from tests.support.month import Platform, bill, one, plan_and_issue, rows, settle_terms, stage, terms
from tests.support.payments import SOFT, PaymentWorld, payment_world, together

pytestmark = pytest.mark.postgres

PERIOD = Period(2026, 11)


@pytest.fixture
def world(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaymentWorld]:
    """A billed month of two accounts."""
    folder: Path = tmp_path_factory.mktemp("outbox")
    with payment_world(postgres, folder, 2, methods=(SOFT,)) as world:
        yield world


@pytest.fixture
def office() -> Iterator[PostOffice]:
    with post_office() as office:
        yield office


@pytest.fixture
def services(platform_db: str, warehouse_db: Any, tmp_path: Path) -> Services:
    """A platform of one account, and settings for it."""
    platform = Platform(platform_db)
    platform.plain_account("a")
    platform.save()
    settle_terms(warehouse_db.writer_url, terms("a"))
    return Services(platform_db, warehouse_db.writer_url, str(tmp_path / "evidence"))


def ask(world: PaymentWorld, *ids: str, request: str = "r1", **changes: Any) -> list[str]:
    """Ask for statements to be sent; a line for each."""
    asked = SendRequest(request, "ann", "wanted", tuple(ids), **changes)
    return [line(row) for row in request_send(world.services, asked)]


def this_month(months: int = 0) -> Period:
    today = datetime.now(UTC)
    return Period(today.year, today.month).shifted(months)


@pytest.mark.parametrize(
    ("period", "deliver", "state"),
    [
        (this_month(), "auto", "pending"),
        (this_month(-1), "auto", "pending"),
        (this_month(-3), "auto", "held"),
        (this_month(-3), "yes", "pending"),
        (this_month(), "no", "held"),
    ],
)
def test_old_months_are_held(services: Services, period: Period, deliver: str, state: str) -> None:
    """A month that ended long before the run mails nothing by itself, unless the run was told to."""
    bill(services, period, deliver=deliver, now=datetime.now(UTC))
    ((found, reason, by),) = rows(services.warehouse_url, "select state, last_error, requested_by from billing.mail")
    assert found == state
    assert (reason is not None) == (state == "held")
    assert by.startswith("run ")


def test_a_second_run_asks_for_nothing_more(services: Services, warehouse_db: Any) -> None:
    """The same month again, and its run settled once more by hand, leave the outbox as it was."""
    billed = bill(services, PERIOD)
    before = rows(services.warehouse_url, "select * from billing.mail")
    bill(services, PERIOD)
    with psycopg.connect(warehouse_db.admin_url) as connection:
        connection.execute("update billing.run set state = 'open' where run_id = %s", (billed.run_id,))
        connection.execute("update billing.run set state = 'issued' where run_id = %s", (billed.run_id,))
    assert rows(services.warehouse_url, "select * from billing.mail") == before


def test_what_is_not_issued_is_not_mailed(services: Services, warehouse_db: Any) -> None:
    """The outbox is written in the issuing transaction: if that fails, nothing is there to be sent."""
    run_id, _, _ = stage(services, PERIOD)
    validate(services, run_id)
    with psycopg.connect(warehouse_db.admin_url) as connection:
        connection.execute("alter table billing.run add constraint broken check (state <> 'issued') not valid")
    with pytest.raises(psycopg.errors.CheckViolation):
        plan_and_issue(services, run_id)
    assert one(services.warehouse_url, "select count(*) from billing.statement") == 0
    assert one(services.warehouse_url, "select count(*) from billing.mail") == 0


def test_notices_of_a_held_month_are_held(world: PaymentWorld) -> None:
    """Whoever never got the statement is not told that it couldn't be collected."""
    with psycopg.connect(world.admin_url) as connection:
        connection.execute("update billing.mail set state = 'held', last_error = 'long over'")
    world.charge()
    assert states(world, "failed_charge") == ["held", "held"]
    assert "its statement was not sent either: long over" in world.one(
        "select min(last_error) from billing.mail where kind = 'failed_charge'"
    )


def test_what_was_sent_goes_out_once_more_when_asked(world: PaymentWorld, office: PostOffice) -> None:
    """A copy is a row of its own beside the first, with its own Message-ID, audited; the same request makes one."""
    send(world, office)
    first, other = world.ids
    (line,) = ask(world, first)
    assert "to f***@example.org once more" in line
    assert ask(world, first)[0].endswith("(asked for before)")
    assert send(world, office)["sent"] == 1
    assert [to for to, _ in office.kept].count("fa-a00000@example.org") == 2
    assert len({message["Message-ID"] for _, message in office.kept}) == 3
    assert len(attachments(office.kept[-1][1])) == 1
    audited = world.rows(
        "select actor, action, subject_id, reason from finance.audit_events where action = 'send_mail'"
    )
    assert audited == [("ann", "send_mail", first, "wanted")]
    copies = world.rows("select statement_id, requested_by, again_of is not null from finance.mail order by mail_id")
    assert copies == [(first, "run 1", False), (other, "run 1", False), (first, "ann", True)]
    assert world.rows("select sent_again_as is not null from finance.mail order by mail_id") == [
        (True,),
        (False,),
        (False,),
    ]
    assert ask(world, first, request="r2") != []
    assert send(world, office)["sent"] == 1


def test_what_is_held_or_failed_waits_again_when_asked(world: PaymentWorld, office: PostOffice) -> None:
    """The message itself goes back to wait, once it can be sent; what waits already needs nobody's word."""
    world.platform.execute("update platform.app_user set active = false where account_id = 'a00000'")
    send(world, office)
    assert states(world) == ["failed", "sent"]
    with pytest.raises(BadInput, match="is inactive"):
        ask(world, world.ids[0])
    world.platform.execute(
        "update platform.app_user set active = true, email = 'new@example.org' where account_id = 'a00000'"
    )
    ask(world, world.ids[0])
    with pytest.raises(BadInput, match="is already waiting to be sent"):
        ask(world, world.ids[0], request="r2")
    assert send(world, office)["sent"] == 1
    assert office.recipients[-1] == "new@example.org"
    assert len(states(world)) == 2


def test_a_month_is_sent_by_its_states(world: PaymentWorld, office: PostOffice) -> None:
    """By month and kind only what nobody has got is sent, unless the states say more."""
    with psycopg.connect(world.admin_url) as connection:
        connection.execute(
            "update billing.mail set state = 'held', last_error = 'x' where statement_id = %s", (world.ids[0],)
        )
    send(world, office)
    whole: dict[str, Any] = {"period": PERIOD, "kind": "connector_statement"}
    assert len(ask(world, **whole)) == 1
    assert len(ask(world, **whole)) == 1, "the same request finds its own again"
    assert send(world, office)["sent"] == 1
    with pytest.raises(BadInput, match="there is none like that"):
        ask(world, request="r2", **whole)
    assert len(ask(world, request="r3", states=("sent",), **whole)) == 2
    assert send(world, office)["sent"] == 2


def test_a_notice_can_be_asked_for(world: PaymentWorld, office: PostOffice) -> None:
    """The newest notice of a statement; where there was no decline there is none."""
    with pytest.raises(BadInput, match="no such message"):
        ask(world, world.ids[0], kind="failed_charge")
    world.charge()
    send(world, office)
    ask(world, world.ids[0], kind="failed_charge")
    assert send(world, office)["sent"] == 1
    assert "fehlgeschlagen" in office.kept[-1][1]["Subject"]


def test_a_statement_of_before_the_outbox_can_be_sent(world: PaymentWorld, office: PostOffice) -> None:
    """What was issued before there was an outbox has no message; asked for, it gets one."""
    with psycopg.connect(world.admin_url) as connection:
        connection.execute("alter table billing.mail disable trigger all")
        connection.execute("delete from billing.mail")
        connection.execute("alter table billing.mail enable trigger all")
    ask(world, world.ids[0])
    assert send(world, office)["sent"] == 1


def test_a_preview_writes_nothing_and_says_the_same(world: PaymentWorld, office: PostOffice) -> None:
    """What would be sent to whom, and why something wouldn't."""
    send(world, office)
    asked = SendRequest("p", "ann", "look", (*world.ids, "A-202611-999999"))
    before = world.rows("select * from billing.mail")
    shown = [(row.code, row.payer) for row in preview_send(world.services, asked)]
    assert shown == [(Code.TO_SEND_AGAIN, "f***@example.org")] * 2 + [(Code.NO_MESSAGE, None)]
    assert world.rows("select * from billing.mail") == before


def test_two_requests_at_once(world: PaymentWorld, office: PostOffice) -> None:
    """Of two people who ask for the same held statement, one is told that it waits already."""
    with psycopg.connect(world.admin_url) as connection:
        connection.execute("update billing.mail set state = 'held', last_error = 'x'")
    done = together(lambda: ask(world, world.ids[0], request="a"), lambda: ask(world, world.ids[0], request="b"))
    said = sorted(str(one) for one in done)
    assert sum("is already waiting" in text for text in said) == 1, said
    assert send(world, office)["sent"] == 1


BAD_REQUESTS: list[tuple[dict[str, Any], str]] = [
    ({}, "name statements, or a period"),
    ({"period": PERIOD}, "needs a kind"),
    ({"period": PERIOD, "kind": "letter"}, "no kind of message"),
    ({"period": PERIOD, "kind": "account_statement", "states": ("sending",)}, "no such state"),
    ({"statement_ids": ("A-202611-000001",), "reason": " "}, "no reason"),
]


@pytest.mark.parametrize(("changes", "said"), BAD_REQUESTS)
def test_a_request_that_makes_no_sense_is_refused(world: PaymentWorld, changes: dict[str, Any], said: str) -> None:
    """Before anything is looked up."""
    with pytest.raises(BadInput, match=said):
        request_send(world.services, SendRequest(**({"request_id": "x", "actor": "ann", "reason": "r"} | changes)))


def test_the_writer_sends_through_functions_alone(world: PaymentWorld) -> None:
    """No row is made, changed or removed but by the owner's functions, and what was sent stays sent."""
    for statement in (
        "insert into billing.mail (kind) values ('correction')",
        "update billing.mail set state = 'held'",
        "delete from billing.mail",
        "truncate billing.mail",
    ):
        with (
            psycopg.connect(world.services.warehouse_url) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement)
    with psycopg.connect(world.admin_url) as connection:
        connection.execute(
            """update billing.mail set state = 'sent', sent_at = now(), recipient = 'secret.name@example.org',
                                       message_id = '<1@x>'"""
        )
    for statement in ("update billing.mail set state = 'pending', sent_at = null", "delete from billing.mail"):
        with psycopg.connect(world.admin_url) as connection, pytest.raises(psycopg.Error, match="refused"):
            connection.execute(statement)


def test_finance_sees_no_address(world: PaymentWorld) -> None:
    """The name in an address is nobody's business but the mail server's."""
    with psycopg.connect(world.admin_url) as connection:
        connection.execute(
            """update billing.mail set state = 'sent', sent_at = now(), recipient = 'secret.name@example.org',
                                       message_id = '<1@x>'"""
        )
    seen = world.rows("select m::text, recipient from finance.mail m")
    assert {recipient for _, recipient in seen} == {"s***@example.org"}
    assert not [text for text, _ in seen if "secret.name" in text]
