"""A statement's page, its PDF and its CSV, on a real warehouse: each kind, each part, and names that mean harm."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from html import unescape
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from evbilling.payments.actions import MarkRequest, mark_statements
from evbilling.period import Period
from evbilling.services import Services
from tests.support.books import Books
from tests.support.corrections import CorrectedMonth
from tests.support.month import Platform, bill, settle_terms, terms
from tests.support.pdf import words
from tests.support.web import PREFIX

pytestmark = [pytest.mark.airflow, pytest.mark.postgres]

STATEMENT = "A-202611-000001"
MINUS = "\N{MINUS SIGN}"
SCRIPT = "<script>alert(1)</script>"
HOSTILE = [SCRIPT, "=cmd()", "@SUM(A1)", "محطة (أ)", "x" * 255, "😀🚗", "\"q\" & 's'"]


@dataclass
class Site:
    """A billed month behind the pages, and what a reader sees of it."""

    platform: Platform
    services: Services
    admin_url: str
    browser: Callable[..., TestClient]

    def get(self, path: str, role: str = "viewer", **query: Any) -> Any:
        """An answer, whatever its status."""
        return self.browser(role).get(f"{PREFIX}{path}", params=query)

    def page(self, path: str = f"/statements/{STATEMENT}", role: str = "viewer", **query: Any) -> str:
        """The text of a page that is there."""
        answer = self.get(path, role, **query)
        assert answer.status_code == 200, answer.text
        return str(answer.text)

    def rows(self, path: str, **query: Any) -> list[list[str]]:
        """The rows of a CSV file."""
        answer = self.get(path, **query)
        assert answer.status_code == 200
        assert answer.content.startswith(b"\xef\xbb\xbf")
        return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


@pytest.fixture
def site(browser: Callable[..., TestClient], warehouse_url: Any, platform_db: str, tmp_path: Path) -> Site:
    """The pages over a fresh warehouse and platform."""
    services = Services(platform_db, warehouse_url.writer_url, f"{tmp_path}/evidence")
    return Site(Platform(platform_db), services, warehouse_url.admin_url, browser)


def billed(site: Site, chargers: list[str], *, name: str = "Fleet GmbH", excluded: int = 0) -> None:
    """One account of these chargers, each with an AC and a DC connector, and some that aren't in service."""
    site.platform.plain_account("acme", connectors=0)
    for charger in chargers:
        site.platform.station(charger, "acme")
        site.platform.connector(charger, 2, "DC")
    for number in range(excluded):
        site.platform.station(f"z-planned-{number:03d}", "acme", status="planned")
    site.platform.save()
    site.platform.execute("update platform.account set name = %s", name)
    site.platform.execute("update platform.app_user set full_name = 'Ann Smith'")
    site.platform.execute("update platform.charger set name = 'Lobby', site = 'Lyon' where charger_id = 'b-1'")
    site.platform.execute("update platform.charger set name = null, site = null where charger_id <> 'b-1'")
    settle_terms(site.services.warehouse_url, terms("acme", "5.00", fee_per_dc_connector=Decimal("7.50")))
    bill(site.services)


def test_a_connector_statement_says_all_it_has(site: Site) -> None:
    """Amounts, lines by charger, what isn't billed and by which rule, the run, the history."""
    billed(site, ["b-1", "b-2"], excluded=2)
    text = plain(site.page())
    for said in (
        "Account Chargers",
        STATEMENT,
        "Issued",
        "Fleet GmbH",
        "Net 25.00 EUR",
        "Tax, 19 % 4.75 EUR",
        "Total 29.75 EUR",
        "Paid 0.00 EUR",
        "Balance due 29.75 EUR",
        "1 Nov 2026, 00:00 (Europe/Berlin)",
        "2 AC, 2 DC",
        "5.00 EUR per connector, 7.50 EUR for DC",
        "2 chargers",
        "Lobby Lyon · b-1 1 AC · 1 DC 12.50 EUR",
        "b-2 1 AC · 1 DC 12.50 EUR",
        "1 AC IEC_62196_T2 5.00 EUR",
        "2 DC IEC_62196_T2 7.50 EUR",
        "Scope status at the count: Public",
        "NOT-IN-SERVICE The connector is planned or removed 2",
        "z-planned-000 1 AC Public NOT-IN-SERVICE",
        "Nothing has been charged or paid yet",
        "The next one will list it",
        "Issue connector statements",
        "all met",
    ):
        assert said in text
    html = site.page()
    assert 'href="/dags/connector_statements/runs/manual__2026-11"' in html
    assert f'href="{PREFIX}/validation/' in html


def test_long_lists_come_in_pages(site: Site) -> None:
    """Each charger is on one page, however odd its id, and the way on and back is offered."""
    chargers = sorted([f"c {n:03d}&?#/é" for n in range(60)])
    billed(site, chargers, excluded=101)
    first = site.page()
    assert "60 chargers" in plain(first)
    assert "First page" not in first
    (address,) = re.findall(r'href="([^"]*after=[^"]*)"', first)
    second = site.browser().get(address.replace("&amp;", "&")).text
    shown = [re.findall(r"c \d{3}(?=&amp;\?#/é</bdi></span>)", page) for page in (first, second)]
    assert shown[0] + shown[1] == [c[:5] for c in chargers]
    assert "First page" in second
    assert "Next page" not in second
    assert "The first 100 of 101" in plain(first)
    assert "There are no more" in plain(site.page(after="zzz"))
    printed = site.page(view="print")
    assert len(re.findall(r"c \d{3}(?=&amp;\?#/é</bdi></span>)", printed)) == 60
    assert '<details class="part" open>' in printed


def test_what_takes_long_to_count_is_counted_on_demand(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement of very many connectors is shown at once; a link counts what isn't billed."""
    monkeypatch.setattr("evbilling_web.statement.routes._COUNTED_AT_ONCE", 3)
    billed(site, ["b-1", "b-2"], excluded=2)
    assert "NOT-IN-SERVICE" not in site.page()
    assert "Count them" in site.page()
    assert "NOT-IN-SERVICE" in site.page(count=True)


def test_it_says_why_it_differs_from_the_month_before(site: Site) -> None:
    """By cause, adding up to the difference; connector by connector, by name; and where the connectors are."""
    before, until = "2026-10-15T00:00:00Z", "2026-10-15T00:00:00Z"
    for account in ("acme", "other"):
        site.platform.plain_account(account, connectors=0)
    site.platform.station("a-stays", "acme")
    for charger, first, then in (("b-1", "other", "acme"), ("b-2", "other", "acme"), ("c-goes", "acme", "other")):
        site.platform.charger(charger, first, ends=until)
        site.platform.charger(charger, then, begins=before)
        site.platform.connector(charger)
    site.platform.charger("d-closes", "acme", ends=until)
    site.platform.charger("d-closes", "acme", "Closed", begins=before)
    site.platform.connector("d-closes")
    site.platform.charger("e-starts", "acme")
    site.platform.connector("e-starts", status="planned", ends=until)
    site.platform.connector("e-starts", begins=before)
    site.platform.charger("f-new", "acme", begins=before)
    site.platform.connector("f-new", begins=before)
    site.platform.charger("g-gone", "acme", ends=until)
    site.platform.connector("g-gone", ends=until)
    site.platform.save()
    site.platform.execute("update platform.charger set site = 'Lyon' where charger_id in ('a-stays', 'b-1')")
    settle_terms(site.services.warehouse_url, terms("acme", exclude_closed=True), terms("other"))
    bill(site.services, "2026-10")
    settle_terms(
        site.services.warehouse_url, terms("acme", "6.00", effective_from=Period(2026, 11), exclude_closed=True)
    )
    bill(site.services, "2026-11")
    text = plain(site.page())
    for said in (
        "Change since 2026-10 Compared with A-202610-000001, 4 connectors, 23.80 EUR with tax.",
        f"Removed {MINUS}1 {MINUS}5.95 EUR",
        "Moved between accounts +1 + 5.95 EUR",
        "In service or not +1 + 5.95 EUR",
        f"Scope status {MINUS}1 {MINUS}5.95 EUR",
        "New +1 + 5.95 EUR",
        "Fee 5.00 EUR → 6.00 EUR \N{EN DASH} + 5.95 EUR",
        "Difference +1 + 11.90 EUR",
        "New: 4 connectors",
        "name Lyon · b-1 1 AC Came from another account Name of other",
        "name site · e-starts 1 AC In service now",
        "name site · f-new 1 AC New",
        "No longer billed: 3 connectors",
        "name site · c-goes 1 AC Went to another account Name of other",
        "name site · d-closes 1 AC The charger is closed or private now",
        "name site · g-gone 1 AC Removed",
        "site 3 3 0 3 18.00 EUR",
        "Lyon 2 2 0 2 12.00 EUR",
        "All sites 5 5 0 5 30.00 EUR",
    ):
        assert said in text
    document = words(site.get(f"/statements/{STATEMENT}.pdf").content)
    for said in (
        "Die Abrechnung A-202610-000001 umfasste 4 Anschlüsse und 23,80 €.",
        "Die monatliche Gebühr wurde von 5,00 € auf 6,00 € geändert.",
        "Differenz 1 11,90",
        "name · c-goes site 1 An ein anderes Kundenkonto abgegeben",
        "Lyon 2 0 12,00",
    ):
        assert said in document
    assert "Change since" not in site.page("/statements/A-202610-000001")


def test_names_that_mean_harm_are_text_everywhere(site: Site) -> None:
    """On the page, in the PDF and in the CSV: nothing runs, nothing is calculated, nothing is lost."""
    billed(site, HOSTILE, name=SCRIPT)
    html = site.page()
    assert SCRIPT not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<bdi" in html
    assert html.count("x" * 255) >= 1
    answer = site.get(f"/statements/{STATEMENT}.pdf")
    assert SCRIPT in words(answer.content)
    assert "=cmd()" in words(answer.content)
    header, *rows = site.rows(f"/statements/{STATEMENT}/lines.csv")
    assert header[3] == "Charger"
    assert {row[3] for row in rows} == {f"'{name}" if name[0] in "=@" else name for name in HOSTILE}
    assert site.get(f"/statements/{STATEMENT}", after=SCRIPT).text.count(SCRIPT) == 0


def test_the_files_are_attached_under_safe_names(site: Site) -> None:
    """PDF and CSV with their types; the PDF as the account's country writes it, to its financial admin."""
    billed(site, ["b-1"], excluded=1)
    answer = site.get(f"/statements/{STATEMENT}.pdf")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    assert answer.headers["content-disposition"] == f'attachment; filename="{STATEMENT}.pdf"'
    assert answer.headers["cache-control"] == "no-store"
    assert "Finanzverantwortlich: Ann Smith" in words(answer.content)
    assert "14,88 €" in words(answer.content)
    assert "Lobby · b-1 Lyon 1 1 12,50" in words(answer.content)
    assert site.get(f"/statements/{STATEMENT}.pdf").content == answer.content

    answer = site.get(f"/statements/{STATEMENT}/lines.csv")
    assert answer.headers["content-disposition"] == f'attachment; filename="{STATEMENT}.csv"'
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert site.rows(f"/statements/{STATEMENT}/lines.csv")[1:] == [
        [STATEMENT, "2026-11", "acme", "b-1", "1", "AC", "EUR", "5.00", "Lobby", "Lyon", "Public", "IEC_62196_T2"],
        [STATEMENT, "2026-11", "acme", "b-1", "2", "DC", "EUR", "7.50", "Lobby", "Lyon", "Public", "IEC_62196_T2"],
    ]
    assert site.rows(f"/statements/{STATEMENT}/lines.csv", what="excluded")[1:] == [
        [
            *("2026-11", "acme", "z-planned-000", "1", "AC", "NOT-IN-SERVICE", "The connector is planned or removed"),
            *("", "", "Public", "IEC_62196_T2"),
        ]
    ]
    assert site.get(f"/statements/{STATEMENT}/lines.csv", what="all").status_code == 422


def test_a_pdf_needs_no_platform(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the platform doesn't answer, its country and the admin's name are left out."""
    billed(site, ["b-1"])
    monkeypatch.setenv("AIRFLOW_CONN_CHARGING_PLATFORM", "postgresql://x:y@127.0.0.1:1/nowhere")
    text = words(site.get(f"/statements/{STATEMENT}.pdf").content)
    assert "Financial admin: fa-acme" in text
    assert "€14.88" in text


def test_a_pdf_without_its_font_says_which(site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No file with boxes: the answer says what is missing, and what to install."""
    billed(site, ["充電"])
    monkeypatch.setenv("EVBILLING_FONTS", str(tmp_path))
    answer = site.get(f"/statements/{STATEMENT}.pdf")
    assert answer.status_code == 503
    assert "no font has 充 電 (CJK)" in answer.text
    assert "install fonts-noto-cjk" in answer.text


def test_csv_goes_beyond_one_part(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read in parts, every line comes once and in order."""
    monkeypatch.setattr("evbilling.read_models.statement.csv_export._PAGE_ROWS", 3)
    billed(site, [f"c{n:02d}" for n in range(5)], excluded=4)
    lines = [(row[3], row[4]) for row in site.rows(f"/statements/{STATEMENT}/lines.csv")[1:]]
    assert lines == [(f"c{n:02d}", str(c)) for n in range(5) for c in (1, 2)]
    assert len(site.rows(f"/statements/{STATEMENT}/lines.csv", what="excluded")) == 5


@pytest.mark.parametrize(
    "path",
    [
        "/statements/A-209901-000009",
        "/statements/nothing",
        "/statements/A-209901-000009.pdf",
        "/statements/A-209901-000009/lines.csv",
        "/statements/%3Cscript%3E",
    ],
)
def test_what_is_no_statement_is_no_page(site: Site, path: str) -> None:
    """404 in words, with what to do."""
    answer = site.get(path)
    assert answer.status_code == 404
    assert "there is no statement" in answer.text
    assert "<script>" not in answer.text


@pytest.mark.parametrize("query", [{"after": "x" * 2000}, {"start": -1}, {"connector": 2**40}, {"view": "x"}])
def test_what_can_not_be_meant_is_refused(site: Site, query: dict[str, Any]) -> None:
    """422, before the warehouse is asked."""
    assert site.get(f"/statements/{STATEMENT}", **query).status_code == 422


def test_actions_are_offered_where_they_can_work(site: Site) -> None:
    """By what the statement is, then by what the reader may; otherwise greyed, with the reason beside it."""
    billed(site, ["b-1"])
    for_admin, for_viewer = site.page(role="admin"), site.page(role="viewer")
    assert f"/actions/rebill?statement={STATEMENT}" in for_admin
    assert f"/actions/mark-as-paid?statement={STATEMENT}" in for_admin
    assert "Undo Mark as Paid: nothing on it is marked as paid" in plain(for_admin)
    assert "/actions/" not in for_viewer
    assert "Re-Bill: Your role may not charge statements again" in plain(for_viewer)
    payment = MarkRequest("r1", "ann", "by cheque", (STATEMENT,), date(2026, 11, 9), "=cheque 7")
    mark_statements(site.services, payment, date(2026, 12, 5))
    paid = site.page(role="admin")
    assert "/actions/rebill" not in paid
    assert "Re-Bill, Mark as Paid, Write off: it is paid: nothing is due" in plain(paid)
    assert f"/actions/undo-mark-as-paid?statement={STATEMENT}" in paid
    assert "9 Nov 2026 Paid by other means =cheque 7" in plain(paid)
    assert "ann Mark as paid by cheque" in plain(paid)


def test_a_correction_and_what_it_corrects(
    browser: Callable[..., TestClient], warehouse_url: Any, platform_db: str, tmp_path: Path
) -> None:
    """Each leads to the other; connectors before and now, and by how much the balance moves."""
    world = CorrectedMonth(platform_db, warehouse_url, str(tmp_path / "evidence"))
    world.platform.execute(
        "update platform.connector set status = 'removed' where charger_id = 'a-1' and connector_id = 3"
    )
    world.correct(reason="<i>late</i>")
    site = Site(world.platform, world.services, world.admin_url, browser)
    original = site.page()
    assert 'href="/evbilling/statements/C-202611-000001"' in original
    assert "&lt;i&gt;late&lt;/i&gt;" in original
    assert "Balance due 11.90 EUR" in plain(original)
    note = site.page("/statements/C-202611-000001", role="admin")
    assert f'href="/evbilling/statements/{STATEMENT}"' in note
    text = plain(note)
    for said in (
        "Correction",
        f"Net {MINUS}5.00 EUR",
        f"Credit {MINUS}5.95 EUR",
        "1 connector changed",
        "name site · a-1 3 AC 5.00 EUR",
        f"{MINUS}5.00 EUR The connector is planned or removed NOT-IN-SERVICE",
        "a correction isn't paid separately",
        # Once said not to be sent, while it waited in the outbox.
        "Correction Waiting requested",
    ):
        assert said in text
    assert "/actions/send-mail?statement=C-202611-000001" in note
    assert "Connector statement Waiting requested" in plain(original)
    assert "Abrechnungskorrektur (Minderung) C-202611-000001" in words(
        site.get("/statements/C-202611-000001.pdf").content
    )
    assert site.rows("/statements/C-202611-000001/lines.csv")[1][2:9] == ["a-1", "3", "AC", "EUR", "5.00", "", "-5.00"]


def test_an_account_statement(
    browser: Callable[..., TestClient],
    warehouse_url: Any,
    platform_db: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From opening to closing balance, kind by kind and page by page; what it lists is linked, and links back."""
    books = Books(platform_db, warehouse_url, tmp_path / "evidence")
    books.open("acme")
    books.charge("c1", "acme", "10.00", settled="4.00")
    books.charge("c2", "acme", "2.50")
    books.platform.execute("update platform.account_charge set description = '=1+1' where charge_id = 'c2'")
    books.month("2026-11")
    site = Site(books.platform, books.services, warehouse_url.admin_url, browser)
    text = plain(site.page("/statements/S-202611-000001"))
    for said in (
        "Account Statement",
        "Opening balance 0.00 EUR",
        "Connector statements 5.95 EUR",
        "Other charges 8.50 EUR",
        "Closing balance 14.45 EUR",
        "Of which connector statements 5.95 EUR",
        "Of which other charges, not collected by us 8.50 EUR",
        "c1 Charge c1 10.00 0.00 10.00 4.00",
        "2 items, EUR 12.50 0.00 12.50 4.00",
    ):
        assert said in text
    assert f'href="/evbilling/statements/{STATEMENT}"' in site.page("/statements/S-202611-000001")
    assert 'href="/evbilling/statements/S-202611-000001"' in site.page()
    monkeypatch.setattr("evbilling_web.statement.routes._ROWS", 2)
    first = site.page("/statements/S-202611-000001")
    assert "1 to 2 of 4 items" in plain(first)
    assert "3 to 4 of 4 items" in plain(site.page("/statements/S-202611-000001", start=2))
    rows = site.rows("/statements/S-202611-000001/lines.csv")
    assert [row[1] for row in rows[1:]] == ["opening_balance", "connector_statement", "charge", "charge"]
    assert rows[4][4] == "'=1+1"
    assert "Kontoauszug S-202611-000001" in words(site.get("/statements/S-202611-000001.pdf").content)


def test_an_archived_period_says_where_its_lines_are(site: Site) -> None:
    """The page and the PDF have all but the lines; the CSV is refused in words."""
    billed(site, ["b-1"])
    with psycopg.connect(site.admin_url) as connection:
        connection.execute(
            """insert into billing.archived_period (period, store, files, decisions, billed, unit_price_minor, digest,
                                                    actor, dropped_at)
               values ('2026-11', 'somewhere', '[]', 2, 2, 0, 0, 'ann', now())"""
        )
    assert "The lines of 2026-11 are archived" in plain(site.page())
    assert "lines.csv" not in site.page()
    assert site.get(f"/statements/{STATEMENT}.pdf").status_code == 200
    answer = site.get(f"/statements/{STATEMENT}/lines.csv")
    assert answer.status_code == 404
    assert "are archived" in answer.text


def plain(html: str) -> str:
    """The words of a page, with single blanks."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html))).replace(" .", ".").replace(" ,", ",")
