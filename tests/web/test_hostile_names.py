"""Names that want to be something else: whoever they come from, every page shows them as text, and every CSV too."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from html.parser import HTMLParser

import pypdfium2
import pytest
from fastapi.testclient import TestClient

from evbilling.payments.actions import MarkRequest, mark_statements
from evbilling.services import Services
from evbilling_web import warehouse
from tests.support.month import Platform, bill, one, settle_terms, terms
from tests.support.postgres import PostgresServer
from tests.support.web import PREFIX

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.postgres,
    # Airflow's own, when it is asked about DAGs.
    pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning"),
]

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "attribute": '" onmouseover="alert(1)" x=\'',
    "entity": "&lt;b&gt; &amp; </td></table>",
    "formula": "=cmd()|' /C calc'!A0",
    "formula-after": "@SUM(1+1)*\t",
    "right-to-left": "\N{HEBREW LETTER SHIN}\N{HEBREW LETTER LAMED} \N{RIGHT-TO-LEFT OVERRIDE}drow",
    # With its number, as long as an id may be.
    "long": "n" * 299,
    "emoji": "\N{ELECTRIC PLUG} \N{CJK UNIFIED IDEOGRAPH-5145}\N{CJK UNIFIED IDEOGRAPH-96FB} \N{WAVING WHITE FLAG}",
}


@pytest.fixture(scope="module")
def world(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Named]]:
    """A billed month of an account for each hostile name, which is the name of everything it has: by what it is.

    Each statement is marked as paid, for a hostile reason.
    """
    folder = tmp_path_factory.mktemp("hostile")
    warehouse_name, platform_name = (f"hostile_{kind}" for kind in ("warehouse", "platform"))
    postgres.create_database(warehouse_name, template="warehouse_template")
    platform = Platform(postgres.create_database(platform_name, template="platform_template"))
    writer = postgres.url("evbilling_writer", warehouse_name, password="test")
    services = Services(platform.url, writer, f"{folder}/evidence")
    for number, name in enumerate(HOSTILE.values()):
        account_id = f"acc-{number}"
        platform.account(account_id)
        platform.user(f"fa-{account_id}", account_id)
        platform.station(f"{name}{number}", account_id, connectors=2)
        platform.save()
        platform.execute("update platform.account set name = %s where account_id = %s", name, account_id)
        platform.execute("update platform.app_user set full_name = %s where account_id = %s", name, account_id)
        platform.execute(
            "update platform.charger set name = %s, site = %s where account_id = %s", name, name, account_id
        )
    settle_terms(writer, *(terms(f"acc-{number}") for number in range(len(HOSTILE))))
    bill(services, "2026-11")
    found = {}
    for number, (what, name) in enumerate(HOSTILE.items()):
        statement_id = one(writer, "select statement_id from finance.statements where account_id = %s", f"acc-{number}")
        # What people type mustn't reorder the text around it.
        typed = name.replace("\N{RIGHT-TO-LEFT OVERRIDE}", "")
        payment = MarkRequest(f"request-{number}", name, typed, (statement_id,), date(2026, 11, 5), typed)
        mark_statements(services, payment, date(2026, 11, 6))
        found[what] = Named(name, statement_id, f"acc-{number}", f"{name}{number}")
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("AIRFLOW_CONN_WAREHOUSE", writer)
        settings.setenv("AIRFLOW_CONN_CHARGING_PLATFORM", platform.url)
        # The dry run of Re-Bill needs to know of a gateway, and asks it nothing.
        settings.setenv("AIRFLOW_CONN_PAYMENT_GATEWAY", '{"conn_type": "http", "host": "127.0.0.1", "password": "k"}')
        settings.setenv("AIRFLOW_CONN_EVIDENCE", f'{{"conn_type": "fs", "extra": {{"path": "{folder}/evidence"}}}}')
        yield found
        warehouse.close()


class Read(HTMLParser):
    """A page as a browser takes it: its text, the scripts in it, and what else could run."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.scripts: list[str | None] = []
        self.handlers: list[str] = []
        self._in_script = False
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._in_script = tag == "script"
        if tag == "script":
            self.scripts.append(dict(attributes).get("src"))
        self.handlers += [name for name, value in attributes if name.startswith("on")]
        self.handlers += [value for _, value in attributes if (value or "").strip().lower().startswith("javascript:")]

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        assert not self._in_script or not data.strip(), f"an inline script: {data}"
        self.text += data


@dataclass(frozen=True)
class Named:
    """What bears a name in the world."""

    name: str
    statement_id: str
    account_id: str
    charger_id: str


@pytest.mark.parametrize(
    ("path", "shows"),
    [
        ("/statements?period=all", {"name"}),
        ("/statements/{statement_id}", {"name", "charger_id"}),
        ("/statements/{statement_id}?view=print", {"name", "charger_id"}),
        ("/accounts", {"name"}),
        ("/accounts/{account_id}", {"name"}),
        ("/actions/rebill?statement={statement_id}", {"name"}),
        ("/actions/mark-as-paid?statement={statement_id}", {"name"}),
        ("/actions/undo-mark-as-paid?statement={statement_id}", {"name"}),
        ("/actions/acknowledge-refund?statement={statement_id}", {"name"}),
        ("/months/2026-11", set()),
        ("/mail", {"statement_id"}),
    ],
)
def test_a_page_shows_it_as_text(
    browser: Callable[..., TestClient], world: dict[str, Named], path: str, shows: set[str]
) -> None:
    """Letter for letter, and nothing of it runs: no script but our files, no handler, no address that is a script."""
    for named in world.values():
        answer = browser("admin").get(PREFIX + path.format(**vars(named)))
        assert answer.status_code == 200
        page = Read(answer.text)
        assert page.handlers == []
        assert all((script or "").startswith(f"{PREFIX}/static/") for script in page.scripts)
        for wanted in shows:
            assert getattr(named, wanted) in page.text, (named.name, wanted)


@pytest.mark.parametrize(
    ("path", "shows"),
    [("/statements.csv?period=all", "name"), ("/statements/{statement_id}/lines.csv", "charger_id")],
)
def test_a_spreadsheet_takes_it_as_text(
    browser: Callable[..., TestClient], world: dict[str, Named], path: str, shows: str
) -> None:
    """No cell but a number begins like a formula, and without the apostrophe it is what it was."""
    for named in world.values():
        answer = browser("viewer").get(PREFIX + path.format(**vars(named)))
        assert answer.status_code == 200
        written = io.StringIO(answer.text.removeprefix("\ufeff"), newline="")
        cells = [cell for row in csv.reader(written) for cell in row]
        assert [one for one in cells if one[:1] in set("=+-@\t\r") and not re.fullmatch(r"-?[0-9.]+", one)] == []
        assert getattr(named, shows) in {cell.removeprefix("'") for cell in cells}


def test_the_document_shows_it_as_text(browser: Callable[..., TestClient], world: dict[str, Named]) -> None:
    """The PDF is made whatever the name is, and its ASCII letters are there to be read; scripts of others are drawn."""
    for named in world.values():
        answer = browser("viewer").get(f"{PREFIX}/statements/{named.statement_id}.pdf")
        assert answer.status_code == 200
        with pypdfium2.PdfDocument(answer.content) as document:
            text = "".join(page.get_textpage().get_text_range() for page in document)
        found, wanted = ("".join(re.findall(r"[!-~]", words)) for words in (text, named.name))
        assert wanted in found
