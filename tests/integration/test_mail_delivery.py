"""Mail goes out once: to whom it should, in spite of retries, kills and a moody mail server."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evbilling.errors import BadInput, TransientError
from evbilling.evidence import Stored
from evbilling.mail import SendRequest, delivery, outbox, preparation, request_send
from evbilling.mail.letters import CONNECTOR_STATEMENT, FAILED_CHARGE
from evbilling.mail.outbox import MailSelection
from evbilling.mail.smtp import SmtpSession
from evbilling.payments.actions import RebillRequest, charge_again
from evbilling.read_models.statement import Situation, read_collections, standing_of
from evbilling.read_models.statement.reading import show_statement
from evbilling_local.ports import free_port
from evbilling_local.stack import EmbeddedPostgres
from tests.support.broken_proxy import broken_proxy
from tests.support.mail import PostOffice, attachments, body, kept_files, post_office, send, states
from tests.support.month import NOW, PERIOD
from tests.support.payments import HARD, SOFT, VISA, PaymentWorld, payment_world, together

pytestmark = pytest.mark.postgres

ACCOUNTS = 3
NOBODY = {"sent": 0, "failed": 0, "unknown": 0, "later": 0, "waiting": 0}


@pytest.fixture
def world(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaymentWorld]:
    """A billed month, not charged yet."""
    folder: Path = tmp_path_factory.mktemp("mail")
    with payment_world(postgres, folder, ACCOUNTS) as world:
        yield world


@pytest.fixture
def office() -> Iterator[PostOffice]:
    """A mail server that takes all."""
    with post_office() as office:
        yield office


def address(number: int) -> str:
    return f"fa-a{number:05d}@example.org"


def hurry(world: PaymentWorld) -> None:
    """Let what waits for its next try be due now."""
    with psycopg.connect(world.admin_url) as connection:
        connection.execute("update billing.mail set not_before = now() where state = 'pending'")


def test_each_statement_is_mailed_once(world: PaymentWorld, office: PostOffice) -> None:
    """A billed month is in the outbox; a delivery sends each statement with its PDF, a second one nothing."""
    assert states(world) == ["pending"] * ACCOUNTS
    assert send(world, office) == NOBODY | {"sent": 3}
    assert send(world, office) == NOBODY
    assert sorted(office.recipients) == [address(n) for n in range(ACCOUNTS)]
    assert office.connections == 1
    recipient, message = office.kept[0]
    statement = world.ids[int(recipient[8])]
    assert statement in message["Subject"]
    assert message["From"] == "CPO <billing@cpo.example>"
    assert message["Reply-To"] == "help@cpo.example"
    assert message["Auto-Submitted"] == "auto-generated"
    assert [key for key in message if key.lower().startswith("list-")] == []
    ((name, pdf),) = attachments(message)
    assert name == f"{statement}.pdf"
    assert pdf.startswith(b"%PDF-")
    for kind in ("plain", "html"):
        assert statement in body(message, kind)
    assert world.rows("select distinct state, tries from billing.mail") == [("sent", 1)]
    ids = [row[0] for row in world.rows("select message_id from billing.mail order by mail_id")]
    assert ids == [message["Message-ID"] for _, message in office.kept]
    assert len(set(ids)) == ACCOUNTS
    assert list(kept_files(world).values()) == office.raw, "what was handed over is kept byte by byte"


def test_only_what_is_wanted_is_sent(world: PaymentWorld, office: PostOffice) -> None:
    """A delivery for another month, or another kind, leaves this month's statements alone."""
    assert send(world, office, MailSelection((CONNECTOR_STATEMENT,), "2026-10")) == NOBODY
    assert send(world, office, MailSelection((FAILED_CHARGE,), None)) == NOBODY
    assert send(world, office, MailSelection((CONNECTOR_STATEMENT,), str(PERIOD)))["sent"] == ACCOUNTS


def test_without_a_server_it_waits(world: PaymentWorld, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is sent and nothing fails; the log says how many wait and what to define."""
    caplog.set_level("INFO")
    assert send(world, None) == NOBODY | {"waiting": 3}
    assert "3 messages wait" in caplog.text
    assert "Airflow connection smtp" in caplog.text
    assert states(world) == ["pending"] * ACCOUNTS


BAD_RECIPIENTS: list[tuple[str, str]] = [
    ("update platform.app_user set active = false", "is inactive"),
    ("update platform.app_user set email = null", "no e-mail address"),
    ("update platform.app_user set email = ' '", "no e-mail address"),
    ("update platform.app_user set email = 'not an address'", "isn't valid"),
    ("update platform.app_user set email = E'a@example.org\\r\\nBcc: b@example.org'", "isn't valid"),
    ("update platform.app_user set user_id = 'gone'", "no longer has the user"),
]


@pytest.mark.parametrize(("fault", "said"), BAD_RECIPIENTS)
def test_a_bad_recipient_stops_nobody(world: PaymentWorld, office: PostOffice, fault: str, said: str) -> None:
    """Who can't be written to fails with a reason that says what to mend; all others get their mail."""
    world.platform.execute(f"{fault} where account_id = 'a00001'")
    assert send(world, office) == NOBODY | {"sent": 2, "failed": 1}
    assert sorted(office.recipients) == [address(0), address(2)]
    ((reason, tries),) = world.rows("select last_error, tries from billing.mail where state = 'failed'")
    assert said in reason
    assert tries == 0


def test_a_refused_recipient_fails(world: PaymentWorld, office: PostOffice) -> None:
    """A 5xx for a recipient is final; its words are kept, without the address, and the others go on."""
    office.refuse[address(1)] = f"550 5.1.1 <{address(1)}>: no such user"
    assert send(world, office) == NOBODY | {"sent": 2, "failed": 1}
    ((reason,),) = world.rows("select reason from finance.mail where state = 'failed'")
    assert "550 5.1.1" in reason
    assert "f***@example.org" in reason
    assert address(1) not in reason
    assert send(world, office) == NOBODY


def test_a_busy_server_is_asked_again_later(world: PaymentWorld, office: PostOffice) -> None:
    """A 4xx for a recipient waits, longer each time, and fails at last; the others go on."""
    office.refuse[address(1)] = "451 4.7.1 greylisted"
    assert send(world, office) == NOBODY | {"sent": 2, "later": 1, "waiting": 1}
    assert send(world, office) == NOBODY | {"waiting": 1}, "not due yet"
    waits = []
    for _ in range(outbox.MAX_TRIES - 1):
        (wait,) = world.rows(
            "select round(extract(epoch from not_before - now()) / 60) from billing.mail where state = 'pending'"
        )[0]
        waits.append(int(wait))
        hurry(world)
        send(world, office)
    assert waits == [5, 10, 20, 40, 80, 160, 320, 360, 360]
    assert states(world).count("failed") == 1
    assert "given up after 10 tries" in world.one("select last_error from billing.mail where state = 'failed'")
    del office.refuse[address(1)]


def test_greylisting_passes(world: PaymentWorld, office: PostOffice) -> None:
    """A recipient that was refused for now gets the message at a later try, with the same Message-ID."""
    office.refuse[address(1)] = "450 try later"
    send(world, office)
    before = world.one("select message_id from billing.mail where state = 'pending'")
    office.refuse.clear()
    hurry(world)
    assert send(world, office) == NOBODY | {"sent": 1}
    assert office.kept[-1][1]["Message-ID"] == before


def test_no_server_there(world: PaymentWorld, office: PostOffice) -> None:
    """A server that can't be reached is worth another try of the task, and costs no message one."""
    settings = office.settings(port=free_port(0))
    with pytest.raises(TransientError, match="can't be reached"):
        delivery.deliver(world.services, settings)
    assert world.rows("select distinct state, tries from billing.mail") == [("pending", 0)]
    assert send(world, office)["sent"] == ACCOUNTS


def test_a_server_that_refuses_all_for_now_stops_the_delivery(
    postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a few refusals in a row the task gives up, and Airflow tries it again; nothing is lost."""
    monkeypatch.setattr(delivery, "_MAX_REFUSALS_IN_A_ROW", 2)
    with payment_world(postgres, tmp_path, ACCOUNTS) as world, post_office(on_mail=lambda *_: "451 busy") as office:
        with pytest.raises(TransientError, match="refused the last 2 messages"):
            send(world, office)
        assert world.rows("select state, tries from billing.mail order by mail_id") == [
            ("pending", 1),
            ("pending", 1),
            ("pending", 0),
        ]


def test_a_refused_sender_is_said_to_who_defined_it(world: PaymentWorld, office: PostOffice) -> None:
    """A 5xx for our own address is the connection's fault: the task fails at once, and no message does."""
    office.on_mail = lambda *_: "553 not your address"
    with pytest.raises(BadInput, match=r"refuses mail from billing@cpo\.example"):
        send(world, office)
    assert set(states(world)) == {"pending"}
    office.on_mail = None
    hurry(world)
    assert send(world, office)["sent"] == ACCOUNTS


def test_a_wrong_login_is_said(world: PaymentWorld, office: PostOffice) -> None:
    """A server without a login, or that refuses it, is no reason to try again; the password is in no message."""
    settings = office.settings(login="me", password="secret-1")
    with pytest.raises((BadInput, TransientError)) as failed:
        delivery.deliver(world.services, settings)
    assert "secret-1" not in str(failed.value) + repr(settings)
    assert set(states(world)) == {"pending"}


def test_starttls_that_isnt_there_is_said(world: PaymentWorld, office: PostOffice) -> None:
    """Mail never goes in the clear because a server offers no TLS."""
    with pytest.raises(BadInput, match="starttls"):
        delivery.deliver(world.services, office.settings(security="starttls"))
    assert office.kept == []


def test_a_connection_that_ends_is_opened_again(world: PaymentWorld, office: PostOffice) -> None:
    """A server that says 421 after each message costs a connection, not a message, and nobody gets it twice."""
    office.on_mail = lambda _, number: "421 too many" if number % 2 == 0 else "250 OK"
    assert send(world, office) == NOBODY | {"sent": 3}
    assert sorted(office.recipients) == [address(n) for n in range(ACCOUNTS)]
    assert office.connections == 3


def test_an_answer_that_never_comes_is_unknown(world: PaymentWorld, office: PostOffice) -> None:
    """The server has the whole message and drops the connection: nobody knows, so it is never sent again by itself."""
    office.on_data = lambda _, number: None if number == 2 else "250 OK"
    assert send(world, office) == NOBODY | {"sent": 2, "unknown": 1}
    assert states(world) == ["sent", "unknown", "sent"]
    assert send(world, office) == NOBODY
    assert len(office.recipients) == ACCOUNTS


def test_a_slow_answer_is_unknown(world: PaymentWorld, office: PostOffice) -> None:
    """An answer that takes longer than the timeout says is no answer."""
    office.slow, office.delay = 2, 30.0
    counts = delivery.deliver(world.services, office.settings(timeout_seconds=2.0), MailSelection())
    assert counts == NOBODY | {"sent": 2, "unknown": 1}


@pytest.mark.parametrize(("carried", "left"), [(100, "pending"), (2_000, "unknown")])
def test_a_conversation_that_is_cut_off(world: PaymentWorld, office: PostOffice, carried: int, left: str) -> None:
    """Before the message was handed over it goes out later; once it was, nobody knows what of it arrived."""
    with broken_proxy(f"http://127.0.0.1:{office.port}", upwards=True, cut=True) as proxy:
        proxy.limit = carried
        settings = office.settings(port=int(proxy.address.rpartition(":")[2]))
        with pytest.raises(TransientError):
            delivery.deliver(world.services, settings)
    assert office.kept == []
    assert states(world) == [left, "pending", "pending"]
    hurry(world)
    assert send(world, office)["sent"] == ACCOUNTS - (left == "unknown")
    assert len(set(office.recipients)) == len(office.recipients)


def test_two_deliverers_at_once_send_each_message_once(
    postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tasks that run at the same time share the work, as they do with many messages: PDFs in helper processes."""
    monkeypatch.setattr(preparation, "_HELPERS_FROM", 1)
    with payment_world(postgres, tmp_path, 40) as world, post_office() as office:
        done = together(*[lambda: send(world, office)] * 2)
        assert sum(counts["sent"] for counts in done) == 40
        assert len(set(office.recipients)) == len(office.recipients) == 40
        assert states(world) == ["sent"] * 40


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _after_begin() -> None:
    real = outbox.begin

    def begin(*args: Any) -> bool:
        real(*args)
        _die()
        return True

    outbox.begin = begin  # type: ignore[assignment]


def _after_sending() -> None:
    real = SmtpSession.send

    def sent(self: SmtpSession, *args: Any) -> Any:
        real(self, *args)
        _die()

    SmtpSession.send = sent  # type: ignore[method-assign]


def _after_keeping() -> None:
    SmtpSession.send = lambda *_: _die()  # type: ignore[method-assign, assignment, return-value]
    outbox.begin = lambda *_: _die()  # type: ignore[assignment, return-value]


def _deliver_and_die(services: Any, settings: Any, arm: Callable[[], None]) -> None:
    arm()
    delivery.deliver(services, settings)


@pytest.mark.parametrize(
    ("arm", "left", "got"),
    [
        (_after_keeping, "pending", 0),
        (_after_begin, "unknown", 0),
        (_after_sending, "unknown", 1),
    ],
)
def test_a_killed_task_sends_nothing_twice(
    world: PaymentWorld, office: PostOffice, arm: Callable[[], None], left: str, got: int
) -> None:
    """Killed with messages kept, begun, or taken: the next try sends the others, and lists the doubt.

    Whatever the mail server got is kept, and what was begun has its file.
    """
    spawn = multiprocessing.get_context("spawn")
    process = spawn.Process(target=_deliver_and_die, args=(world.services, office.settings(), arm))
    process.start()
    process.join(300)
    assert process.exitcode == -signal.SIGKILL
    assert len(office.kept) == got
    assert send(world, office)["unknown"] == 0, "it may still be at work"
    with psycopg.connect(world.admin_url) as connection:
        connection.execute(
            """update billing.mail set claimed_at = claimed_at - interval '1 hour',
                                       reserved_until = reserved_until - interval '1 hour' where state <> 'sent'"""
        )
    counts = send(world, office)
    assert sorted(set(states(world))) == sorted({left, "sent"} - {"pending"})
    doubtful = 0 if left == "pending" else 1
    assert counts["sent"] == ACCOUNTS - doubtful
    assert len(set(office.recipients)) == len(office.recipients) == ACCOUNTS - doubtful + got
    kept = kept_files(world)
    assert sorted(outcome for outcome, _ in kept) == sorted(states(world))
    assert set(office.raw) <= set(kept.values())
    if doubtful:
        assert "cut off" in world.one("select last_error from billing.mail where state = 'unknown'")
        assert send(world, office)["sent"] == 0, "never by itself"


def test_who_comes_back_too_late_writes_nothing(world: PaymentWorld) -> None:
    """A reservation that is over can't begin a message; a message begun can be settled late as sent, not as waiting."""
    with psycopg.connect(world.services.warehouse_url, autocommit=True) as connection:
        (first, *_) = outbox.reserve(connection, "slow", 1, 0.01, MailSelection())
        connection.execute("select pg_sleep(0.05)")
        begun = ("a@example.org", "<1@x>", Stored(f"mail/2026-11/ab/{'ab' * 32}.eml", "ab" * 32, 7))
        assert not outbox.begin(connection, first.mail_id, "slow", *begun)
        (again,) = outbox.reserve(connection, "quick", 1, 60, MailSelection())
        assert again.mail_id == first.mail_id
        assert not outbox.begin(connection, first.mail_id, "slow", *begun)
        assert outbox.begin(connection, first.mail_id, "quick", *begun)
        assert outbox.give_up_lapsed(connection, 0.0) == 1
        assert not outbox.record_outcome(connection, first.mail_id, "quick", "pending", "later", None)
        assert not outbox.record_outcome(connection, first.mail_id, "slow", "sent", None, None)
        assert outbox.record_outcome(connection, first.mail_id, "quick", "sent", None, None)
        assert not outbox.record_outcome(connection, first.mail_id, "quick", "failed", "no", None)


def test_nothing_is_sent_that_cant_be_kept(world: PaymentWorld, office: PostOffice, tmp_path: Path) -> None:
    """A full or missing store stops the delivery before a message begins; once it is back, all go out."""
    in_the_way = tmp_path / "no folder"
    in_the_way.write_text("", encoding="utf-8")
    without_store = replace(world.services, evidence_url=str(in_the_way))
    with pytest.raises(TransientError, match="evidence store"):
        delivery.deliver(without_store, office.settings())
    assert office.mails == 0
    assert world.rows("select distinct state, tries, reserved_until is null from billing.mail") == [
        ("pending", 0, True)
    ]
    assert send(world, office) == NOBODY | {"sent": 3}


def test_each_sending_has_its_own_file(world: PaymentWorld, office: PostOffice) -> None:
    """Refused for now, sent, and sent again: three files, each as it was then, and only what was accepted says so."""
    office.on_data = lambda _, number: "451 later" if number == 1 else "250 OK"
    first = MailSelection(accounts=("a00000",))
    assert send(world, office, first)["later"] == 1
    world.platform.execute("update platform.app_user set email = 'new@example.org' where account_id = 'a00000'")
    hurry(world)
    assert send(world, office, first)["sent"] == 1
    request_send(world.services, SendRequest("r1", "ann", "lost", (world.ids[0],)))
    assert send(world, office, first)["sent"] == 1
    kept = world.rows("select mail_id, try_no, outcome, sent_at is not null from finance.mail_documents order by 1, 2")
    first_id, again = kept[0][0], kept[-1][0]
    assert kept == [(first_id, 1, "refused", False), (first_id, 2, "sent", True), (again, 1, "sent", True)]
    files = kept_files(world)
    assert [b"fa-a00000@example.org" in files[place] for place in sorted(files)] == [True, False, False]
    assert [files["sent", number] for number in (first_id, again)] == office.raw
    with psycopg.connect(world.admin_url) as connection, pytest.raises(psycopg.Error, match="never change"):
        connection.execute("update billing.mail_document set size_bytes = 1")


def test_a_statement_that_cant_be_written_stops_nobody(
    world: PaymentWorld, office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault in one document is that message's: the others go out."""
    real = preparation.statement_pdf

    def faulty(view: Any, **options: Any) -> bytes:
        if view.header.statement_id == world.ids[1]:
            raise ValueError("no such glyph")
        return real(view, **options)

    monkeypatch.setattr(preparation, "statement_pdf", faulty)
    assert send(world, office) == NOBODY | {"sent": 2, "failed": 1}
    assert "can't be written" in world.one("select last_error from billing.mail where state = 'failed'")


def test_a_document_without_a_font_waits_and_goes_once_there_is_one(
    world: PaymentWorld,
    office: PostOffice,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    """No box is mailed: the message waits with the reason, however often; the others go; with a font it is sent."""
    with psycopg.connect(world.admin_url) as connection:
        connection.execute("alter table billing.statement disable trigger all")
        connection.execute(
            "update billing.statement set account_name = '高速充電' where statement_id = %s", (world.ids[1],)
        )
        connection.execute("alter table billing.statement enable trigger all")
    monkeypatch.setenv("EVBILLING_FONTS", str(tmp_path))
    assert send(world, office) == NOBODY | {"sent": 2, "later": 1, "waiting": 1}
    says = "no font has 充 速 電 高 (CJK); install fonts-noto-cjk (Debian, Ubuntu) where documents are made"
    for _ in range(outbox.MAX_TRIES + 1):
        ((state, reason, tries, wait),) = world.rows(
            "select state, reason, tries, extract(epoch from due_at - now()) from finance.mail where state <> 'sent'"
        )
        assert (state, tries) == ("pending", 0)
        assert says in reason
        assert 1800 < wait < 3600, "the next hourly delivery looks again"
        assert f"1 messages wait, with no try counted: {says}" in caplog.text
        caplog.clear()
        hurry(world)
        assert send(world, office) == NOBODY | {"later": 1, "waiting": 1}
    assert send(world, office) == NOBODY | {"waiting": 1}
    monkeypatch.delenv("EVBILLING_FONTS")
    hurry(world)
    assert send(world, office) == NOBODY | {"sent": 1}
    ((name, pdf),) = attachments(office.kept[-1][1])
    assert name == f"{world.ids[1]}.pdf"
    assert b"pdfaid" in pdf


def test_declined_charges_are_told_once_for_each_reason(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """One notice a statement, reason and card, written with the decline; a retry that fails alike tells nothing new."""
    with payment_world(postgres, tmp_path, 4, methods=(VISA, SOFT, HARD, None)) as world, post_office() as office:
        world.charge()
        rows = world.rows("select statement_id, occasion from billing.mail where kind = 'failed_charge' order by 1")
        assert [statement for statement, _ in rows] == world.ids[1:]
        assert [occasion.split()[1] for _, occasion in rows] == ["insufficient_funds", "lost_card", "no_payment_method"]
        _try_again(world, world.ids[1], "once more")
        assert len(states(world, FAILED_CHARGE)) == 3
        world.set_method("a00001", HARD)
        _try_again(world, world.ids[1], "another card")
        assert len(states(world, FAILED_CHARGE)) == 4
        assert send(world, office, MailSelection((FAILED_CHARGE,)))["sent"] == 4
        said = {message["Subject"].split()[3]: body(message, "plain") for _, message in office.kept[:3]}
        assert "Die Karte war nicht ausreichend gedeckt." in said[world.ids[1]]
        assert "Die Bank hat diese Karte endgültig abgelehnt." in said[world.ids[2]]
        assert "Für Sie ist kein Zahlungsmittel hinterlegt" in said[world.ids[3]]
        assert all(attachments(message) == [] for _, message in office.kept)


def test_letters_are_written_from_what_is_known(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """Without a payment method nobody reads that there is nothing to do; retries are promised only if they are sent."""
    with payment_world(postgres, tmp_path, 4, methods=(VISA, SOFT, HARD, None)) as world, post_office() as office:
        assert send(world, office)["sent"] == 4
        said = {recipient: body(message, "plain") for recipient, message in office.kept}
        charged, without = (
            "werden von Ihrem hinterlegten Zahlungsmittel abgebucht",
            "ist kein Zahlungsmittel hinterlegt",
        )
        assert [charged in said[address(n)] for n in range(4)] == [True, True, True, False]
        assert [without in said[address(n)] for n in range(4)] == [False, False, False, True]
        assert "Sie brauchen nichts zu unternehmen" not in said[address(3)]

        world.charge()
        situations = [
            [_standing(world, n, method, are_sent) for n, method in enumerate((VISA, SOFT, HARD, None))]
            for are_sent in (True, False)
        ]
        assert situations == [
            [Situation.PAID, Situation.RETRIED, Situation.DECLINED, Situation.NO_METHOD],
            [Situation.PAID, Situation.DECLINED, Situation.DECLINED, Situation.NO_METHOD],
        ]
        world.set_method("a00002", VISA)
        assert send(world, office, are_retries_sent=True)["sent"] == 3
        said = {recipient: body(message, "plain") for recipient, message in office.kept[4:]}
        assert "Wir versuchen es automatisch erneut, spätestens am" in said[address(1)]
        assert "werden von Ihrem neuen Zahlungsmittel abgebucht" in said[address(2)]
        assert said[address(3)].count("kein Zahlungsmittel") == 1
        with psycopg.connect(world.admin_url) as connection:
            connection.execute("insert into billing.charging_hold (sign, detail) values ('server', 'restored')")
        assert _standing(world, 1, SOFT, True) is Situation.DECLINED
        assert _standing(world, 2, VISA, True) is Situation.DUE


def _standing(world: PaymentWorld, number: int, method: str | None, are_sent: bool) -> Situation:
    with psycopg.connect(world.services.warehouse_url) as connection:
        (facts,) = read_collections(connection, world.ids[number])
    return standing_of(facts, method, are_retries_sent=are_sent).situation


def test_a_notice_of_what_is_paid_by_then_is_held(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """Nobody is told of a failed charge once nothing is due any more."""
    with payment_world(postgres, tmp_path, 1, methods=(SOFT,)) as world, post_office() as office:
        world.charge()
        world.set_method("a00000", VISA)
        _try_again(world, world.ids[0], "paid now")
        assert world.status(world.ids[0]) == "Billing failure (resolved)"
        assert send(world, office, MailSelection((FAILED_CHARGE,))) == NOBODY
        assert world.rows("select state, last_error from billing.mail where kind = 'failed_charge'") == [
            ("held", "nothing is due any more, so no notice is needed")
        ]
        assert office.kept == []


def _try_again(world: PaymentWorld, statement_id: str, request: str) -> None:
    with world.payment_services() as payments:
        charge_again(payments, RebillRequest(request, "ann", "trying", (statement_id,)), NOW)


def test_hundreds_of_messages_go_out_once(
    world: PaymentWorld, office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All go out, each once, with the same few messages prepared ahead, by processes of their own."""
    with psycopg.connect(world.admin_url) as connection:
        connection.execute(
            """insert into billing.mail (kind, statement_id, account_id, financial_admin_id, period, occasion,
                                         requested_by)
               select kind, statement_id, account_id, financial_admin_id, period, 'request ' || n, 'ann'
               from billing.mail, generate_series(1, 134) n where statement_id <> %s or n < 131""",
            (world.ids[0],),
        )
    # What a statement and its PDF cost is measured by `make bench`.
    monkeypatch.setattr(preparation, "statement_pdf", lambda *_, **__: b"%PDF-1.7")
    monkeypatch.setattr(preparation, "show_statement", lambda _, statement_id: views[statement_id])
    with world.services.warehouse() as connection:
        views = {statement_id: show_statement(connection, statement_id) for statement_id in world.ids}
    counts = send(world, office)
    assert counts == NOBODY | {"sent": 401}
    assert len(office.kept) == len({message["Message-ID"] for _, message in office.kept}) == 401
