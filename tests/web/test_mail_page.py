"""The Mail page on a real warehouse: what it lists, counts and offers, and to whom."""

from __future__ import annotations

import email
import json
import re
from collections.abc import Callable, Iterator
from email.policy import default
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from evbilling.mail.outbox_list import MailFilter, mail_page
from evbilling_local.stack import EmbeddedPostgres
from evbilling_web import warehouse
from tests.support.mail import attachments, kept_files, post_office, send
from tests.support.payments import SOFT, VISA, PaymentWorld, payment_world
from tests.support.web import PREFIX

pytestmark = [pytest.mark.airflow, pytest.mark.postgres]

EVIL = "<script>alert(1)</script> \u202e شركة 充電 ⚡"


@pytest.fixture(scope="module")
def world(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaymentWorld]:
    """Four accounts: sent, refused by the mail server, held, and sent with a notice of a failed charge that waits."""
    with (
        payment_world(postgres, tmp_path_factory.mktemp("mail_page"), 4, methods=(VISA, VISA, VISA, SOFT)) as world,
        post_office() as office,
    ):
        _hold(world, world.ids[2])
        office.refuse["fa-a00001@example.org"] = f"550 no such user {EVIL}".encode("ascii", "ignore").decode()
        send(world, office)
        world.charge()
        yield world


def _hold(world: PaymentWorld, statement_id: str) -> None:
    with psycopg.connect(world.admin_url) as connection:
        connection.execute(
            "update billing.mail set state = 'held', last_error = %s where statement_id = %s", (EVIL, statement_id)
        )


@pytest.fixture
def read(world: PaymentWorld, browser: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Reads the page as somebody."""
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", world.services.warehouse_url)
    monkeypatch.setenv("AIRFLOW_CONN_CHARGING_PLATFORM", world.services.platform_url)
    evidence = {"conn_type": "fs", "extra": {"path": world.services.evidence_url}}
    monkeypatch.setenv("AIRFLOW_CONN_EVIDENCE", json.dumps(evidence))
    monkeypatch.delenv("AIRFLOW_CONN_SMTP", raising=False)

    def page(query: str = "", role: str = "user") -> str:
        answer = browser(role).get(f"{PREFIX}/mail{query}")
        assert answer.status_code == 200, answer.text
        return answer.text

    yield page
    warehouse.close()


def listed(text: str) -> list[str]:
    """The statements in the list, in order."""
    return re.findall(r'/statements/([ASC]-[0-9]{6}-[0-9]+)"', text)


def test_all_of_the_newest_month(read: Any, world: PaymentWorld) -> None:
    """Every message, the newest first, with counts by state and the reasons as text."""
    text = read()
    assert listed(text) == [world.ids[3], *reversed(world.ids)]
    counts = re.findall(r'aria-label="([0-9]+) ([\w ]+)">[0-9]+</a>', text)
    assert counts == [("1", "failed"), ("1", "waiting"), ("1", "on hold"), ("2", "sent")]
    assert "the mail server refuses it: 550 no such user" in text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "fa-a00000@example.org" in text, "a page shows the address that is on the letter"


@pytest.mark.parametrize(
    ("query", "places"),
    [
        ("?state=failed", [1]),
        ("?state=held&kind=connector_statement", [2]),
        ("?kind=failed_charge", [3]),
        ("?account=a00000", [0]),
        ("?account=nobody", []),
        ("?period=2020-01", []),
        ("?period=all&state=sent", [3, 0]),
        ("?period=2026-11&state=&kind=&account=", [3, 3, 2, 1, 0]),
    ],
)
def test_filters(read: Any, world: PaymentWorld, query: str, places: list[int]) -> None:
    """By state, kind, account and month; the filter is in the address."""
    assert listed(read(query)) == [world.ids[place] for place in places]


@pytest.mark.parametrize("query", ["?state=nonsense", "?kind=letter", "?period=2026-13", "?before=0", "?before=x"])
def test_a_filter_that_makes_no_sense(browser: Callable[..., TestClient], read: Any, query: str) -> None:
    """Said as such, not shown as an empty list."""
    assert browser("viewer").get(f"{PREFIX}/mail{query}").status_code in {400, 404, 422}


def test_send_again_is_offered_where_it_can_work(read: Any, world: PaymentWorld) -> None:
    """Beside what was sent, failed or held, with the notice's kind; not beside what waits; greyed for a viewer."""
    links = re.findall(
        r'href="/evbilling/actions/send-mail\?([^"]+)"[^>]* aria-label="[^"]+">(Send(?: again)?)<', read()
    )
    assert [(query.replace("&amp;", "&"), words) for query, words in links] == [
        (f"statement={world.ids[3]}", "Send again"),
        (f"statement={world.ids[2]}", "Send"),
        (f"statement={world.ids[1]}", "Send"),
        (f"statement={world.ids[0]}", "Send again"),
    ]
    greyed = read(role="viewer")
    assert "/actions/send-mail" not in greyed
    assert greyed.count('aria-disabled="true"') == 4
    assert "Your role may not send mail" in greyed


def test_without_a_mail_server_the_page_says_so(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing, and how many messages wait for it; nothing of it once there is a server."""
    assert "No mail server is configured" in read()
    assert "1 message is waiting" in read()
    monkeypatch.setenv("AIRFLOW_CONN_SMTP", '{"conn_type": "smtp", "host": "h", "extra": {"from_email": "nonsense"}}')
    assert "no e-mail address" in read()
    monkeypatch.setenv("AIRFLOW_CONN_SMTP", '{"conn_type": "smtp", "host": "h", "extra": {"from_email": "a@b.org"}}')
    assert 'class="notice' not in read()


def number(world: PaymentWorld, place: int) -> int:
    """The number of the mail of the statement at this place."""
    query = "select mail_id from billing.mail where statement_id = %s and kind = 'connector_statement'"
    return int(world.one(query, world.ids[place]))


def test_a_message_as_it_was_sent(read: Any, world: PaymentWorld, browser: Callable[..., TestClient]) -> None:
    """The letter in a frame that runs nothing, its text, the PDF and the whole message, as the mail server got them."""
    sent = number(world, 0)
    text = read(f"/{sent}", role="viewer")
    for shown in ("fa-a00000@example.org", "Abrechnung der Ladeanschlüsse", "PDF as sent", "checked just now"):
        assert shown in text
    (frame,) = re.findall(r"<iframe [^>]*>", text)
    assert " sandbox " in frame
    assert f'src="{PREFIX}/mail/{sent}/1/letter"' in frame
    letter, pdf, whole = (
        browser("viewer").get(f"{PREFIX}/mail/{sent}/1/{part}") for part in ("letter", "attachment", "message")
    )
    policy = letter.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "sandbox"} <= set(policy)
    assert not any(part.startswith("script-src") for part in policy)
    assert world.ids[0] in letter.text
    assert whole.content == kept_files(world)["sent", sent]
    assert whole.headers["content-disposition"] == f'attachment; filename="mail-{sent}-1.eml"'
    assert pdf.headers["content-disposition"] == f'attachment; filename="{world.ids[0]}.pdf"'
    assert pdf.content in [
        content for _, content in attachments(email.message_from_bytes(whole.content, policy=default))
    ]
    statement = browser("viewer").get(f"{PREFIX}/statements/{world.ids[0]}").text
    assert f'href="{PREFIX}/mail/{sent}/1/attachment"' in statement
    assert "PDF as of now" in statement


def test_what_a_message_has_no_letter_for(read: Any, world: PaymentWorld, browser: Callable[..., TestClient]) -> None:
    """Refused: the customer doesn't have it. On hold: none is written. From before they were kept: the page says so."""
    assert "accept this attempt, so the customer doesn't have this letter" in read(f"/{number(world, 1)}")
    assert "handed to the mail server yet" in read(f"/{number(world, 2)}")
    assert browser("viewer").get(f"{PREFIX}/mail/{number(world, 2)}/1/letter").status_code == 404
    assert browser("viewer").get(f"{PREFIX}/mail/999999").status_code == 404
    old = number(world, 3)
    with psycopg.connect(world.admin_url) as connection:
        connection.execute("alter table billing.mail_document disable trigger mail_document_is_immutable")
        before = connection.execute(
            "delete from billing.mail_document where mail_id = %s returning *", (old,)
        ).fetchone()
    assert before
    assert "it was sent before messages were kept" in read(f"/{old}")
    statement = browser("viewer").get(f"{PREFIX}/statements/{world.ids[3]}").text
    assert "not kept then" in statement
    assert "PDF as sent" not in statement
    with psycopg.connect(world.admin_url) as connection:
        connection.execute("insert into billing.mail_document values (%s, %s, %s, %s, %s)", before)
        connection.execute("alter table billing.mail_document enable trigger mail_document_is_immutable")


def test_a_file_that_is_missing_or_changed_is_said_once(
    read: Any, world: PaymentWorld, browser: Callable[..., TestClient]
) -> None:
    """The page says which file, and shows all else; the file itself is never shown in a changed form."""
    sent = number(world, 0)
    query = "select file from finance.mail_documents where mail_id = %s"
    file = Path(world.services.evidence_url) / world.one(query, sent)
    content = file.read_bytes()
    try:
        for damaged, says, status in (
            (b"x" + content[1:], "has changed since it was stored", 400),
            (None, "is not there", 404),
        ):
            file.unlink() if damaged is None else file.write_bytes(damaged)
            text = read(f"/{sent}")
            assert text.count(says) == 1
            assert f"{file.name} {says}" in text
            assert "from a backup" in text
            assert "<iframe" not in text
            for part in ("letter", "attachment", "message"):
                answer = browser("viewer").get(f"{PREFIX}/mail/{sent}/1/{part}")
                assert (answer.status_code, says in answer.text) == (status, True)
    finally:
        file.write_bytes(content)


def test_an_empty_warehouse(browser: Callable[..., TestClient], warehouse_url: Any) -> None:
    """There is no mail yet, and the page says where it will come from."""
    answer = browser("viewer").get(f"{PREFIX}/mail")
    assert answer.status_code == 200
    assert "There is no mail yet" in answer.text


def test_pages_follow_each_other(world: PaymentWorld) -> None:
    """Each message is on one page, whatever the size of a page."""
    with psycopg.connect(world.services.warehouse_url) as connection:
        found, before = [], None
        while True:
            rows, before = mail_page(connection, MailFilter(), before=before, most=2)
            found += [row.mail_id for row in rows]
            if before is None:
                break
    assert found == sorted(found, reverse=True)
    assert len(found) == len(set(found)) == 5
