"""The Mail page on a real warehouse: what it lists, counts and offers, and to whom."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from evbilling.mail.outbox_list import MailFilter, mail_page
from evbilling_local.stack import EmbeddedPostgres
from evbilling_web import warehouse
from tests.support.mail import post_office, send
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
    monkeypatch.setenv("AIRFLOW_CONN_EVIDENCE", '{"conn_type": "fs", "extra": {"path": "/nowhere"}}')
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
    assert "f***@example.org" in text
    assert "fa-a00000@example.org" not in text


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
