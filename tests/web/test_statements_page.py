"""Driver Statements on a real warehouse: the list that an address says, what each row offers, and the CSV of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import psycopg
import pytest
from fastapi.testclient import TestClient

from evbilling.read_models.statement_list.filters import StatementFilter
from evbilling.read_models.statement_list.listing import list_statements
from evbilling_local.stack import EmbeddedPostgres
from evbilling_web import warehouse
from tests.support.month import rows
from tests.support.statement_list import NAMES, listed_world
from tests.support.web import PREFIX, ROLES

pytestmark = [pytest.mark.airflow, pytest.mark.postgres]


class Page(HTMLParser):
    """The list's rows (what is said in each column, and the row's links), totals, links by their words, errors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[dict[str, str]] = []
        self.links: dict[str, str] = {}
        self.row_links: list[dict[str, str]] = []
        self.off: list[dict[str, str]] = []
        self.totals: list[list[str]] = []
        self.errors: dict[str, str] = {}
        self.boxes: dict[str, dict[str, str | None]] = {}
        self.text = ""
        self._tables: list[str] = []
        self._cell: str | None = None
        self._words: dict[str, list[str]] = {}
        self._href: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert not [name for name in given if name == "style" or name.startswith("on")], "refused by the policy"
        if tag == "table":
            self._tables.append((given.get("class") or "").split(" ")[0])
        elif tag == "tr" and self._tables:
            if self._tables[-1] == "statements":
                self.rows.append({})
                self.row_links.append({})
                self.off.append({})
            else:
                self.totals.append([])
        elif tag in {"td", "th"}:
            self._cell = given.get("data-label") or tag
            self._words["cell"] = []
        elif tag == "a":
            self._href, self._words["a"] = given.get("href") or "", []
        elif tag == "input" and given.get("name") == "statement":
            self.boxes[given["value"] or ""] = given
        elif tag == "span" and given.get("class") == "off":
            self._words["off"] = []
        elif tag == "small" and "off" in self._words:
            self._words["why"] = []
        elif tag == "p" and (given.get("id") or "").startswith("wrong-"):
            self._words[given["id"] or ""] = []

    def handle_data(self, data: str) -> None:
        self.text += data
        for words in self._words.values():
            words.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self._tables.pop()
        elif tag in {"td", "th"} and self._tables:
            said = self._said("cell")
            if self._tables[-1] == "statements" and self._cell not in {"td", "th"}:
                self.rows[-1][self._cell or ""] = said
            elif self._tables[-1] == "totals":
                self.totals[-1].append(said)
        elif tag == "a":
            words = self._said("a")
            self.links[words] = self._href or ""
            if self.row_links and self._tables:
                self.row_links[-1][words] = self._href or ""
        elif tag == "span" and "why" in self._words:
            why = self._said("why")
            self.off[-1][self._said("off").removesuffix(why)] = why
        elif tag == "p":
            for name in [name for name in self._words if name.startswith("wrong-")]:
                self.errors[name.removeprefix("wrong-")] = self._said(name)

    def _said(self, name: str) -> str:
        return " ".join("".join(self._words.pop(name, [])).split())


@pytest.fixture(scope="module")
def world(postgres: EmbeddedPostgres) -> str:
    """URL of a warehouse with statements of all kinds and statuses, as its writer."""
    return listed_world(postgres, "listed_page")


@pytest.fixture
def client(
    world: str, browser: Callable[..., TestClient], warehouse_url: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    """A user's browser on that warehouse."""
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", world)
    yield browser("user")
    warehouse.close()


@pytest.fixture
def read(client: TestClient) -> Callable[..., Page]:
    """Reads the list by its query or by a link of it."""

    def page(query: str = "", status: int = 200) -> Page:
        path = query if query.startswith("/") else f"{PREFIX}/statements?{query}"
        answer = client.get(path)
        assert answer.status_code == status, answer.text
        return Page(answer.text)

    return page


def shown(page: Page) -> list[str]:
    """The ids of the statements on a page, in order."""
    return [row["Statement"] for row in page.rows if row]


def expected(url: str, wanted: StatementFilter) -> list[str]:
    """The ids that the list has, by itself."""
    with psycopg.connect(url) as connection:
        return [row.statement_id for row in list_statements(connection, wanted, limit=1_000).rows]


def test_it_begins_with_the_latest_period(read: Any, world: str) -> None:
    """All of it, added up, and the address that is shared says the period."""
    page = read()
    assert shown(page) == expected(world, StatementFilter.parse([("period", "2026-12")]))
    assert [cells[0] for cells in page.totals[1:]] == ["EUR", "JPY", "KWD"]
    assert "period=2026-12" in page.links["CSV of all 40"]


def test_the_filter_lives_in_the_address(read: Any, world: str) -> None:
    """What is asked for is shown, ticked and added up; every link of the page keeps it."""
    query = "period=all&type=connector&status=billing-failure&status=partly-paid&currency=EUR"
    page = read(query)
    wanted = StatementFilter.parse(parse_qsl(query))
    assert shown(page) == expected(world, wanted) != []
    assert {row["Status"].split(" charge")[0] for row in page.rows if row} == {"Billing failure", "Partly paid"}
    for words in ("Balance due", "Account", f"CSV of all {len(shown(page))}"):
        assert StatementFilter.parse(parse_qsl(urlsplit(page.links[words]).query)) == wanted
    due = "select sum(balance_due) from finance.statements where statement_id = any(%s)"
    ((total,),) = rows(world, due, shown(page))
    assert page.totals[1][:3] == ["EUR", "Account Chargers", str(len(shown(page)))]
    assert page.totals[1][-1] == f"{total:,}"


def test_an_id_wins_over_the_month(read: Any) -> None:
    """Whatever month the form has; and an account's other months are one click away."""
    assert shown(read("period=2026-12&id=A-202610-000007")) == ["A-202610-000007"]
    assert all(one.startswith("A-202611-") for one in shown(read("period=2026-12&id=a-202611-")))
    page = read("period=2026-12&account=acc-7")
    assert {row["Period"].split("issued")[0] for row in page.rows if row} == {"2026-12"}
    assert len({row["Period"].split("issued")[0] for row in read(page.links["Search all periods"]).rows if row}) == 3


def test_pages_lead_on_and_back(read: Any, world: str) -> None:
    """Next until the end gives each statement once; Previous and First lead back."""
    first = page = read("period=all&sort=-balance")
    ids = shown(page)
    while "Next" in page.links:
        before, page = page, read(page.links["Next"])
        ids += shown(page)
        assert shown(read(page.links["Previous"])) == shown(before)
        assert shown(read(page.links["First"])) == shown(first)
    assert "Previous" not in first.links
    assert sorted(ids) == expected(world, StatementFilter())
    assert len(shown(read("period=all&rows=100"))) == 100


def test_a_head_sorts_and_turns_round(read: Any) -> None:
    """Amounts with the largest first; once more, and it is the other way round."""
    page = read(read("type=connector&currency=EUR").links["Total"])
    amounts = [float(row["Total"].removesuffix(" EUR").replace(",", "")) for row in page.rows if row]
    assert amounts == sorted(amounts, reverse=True) != sorted(amounts)
    assert shown(read(page.links["Total ▾"])) == shown(page)[::-1]


@pytest.mark.parametrize(
    ("query", "field", "says"),
    [
        ("period=2026-13", "period", "Write it as YYYY-MM"),
        ("status=lost&type=connector", "status", "give one of issued, billing-failure"),
        ("type=lost", "type", "give one of connector, account, correction"),
        ("id=X-1&account=acme", "id", "ids look like A-202611-000042"),
        ("currency=EURO", "currency", "such as EUR"),
        ("account=a%00b", "account", "not valid text"),
    ],
)
def test_a_bad_value_is_refused_beside_its_field(read: Any, query: str, field: str, says: str) -> None:
    """Nothing is listed, and nothing else is refused."""
    page = read(query, 422)
    assert list(page.errors) == [field]
    assert says.lower() in page.errors[field].lower()
    assert shown(page) == []


@pytest.mark.parametrize("query", ["sort=lost", "sort=total&after=bm90IGEgcGxhY2U", "before=x"])
def test_a_place_that_is_none_leads_to_the_first_page(read: Any, query: str) -> None:
    """An address that was cut off isn't a dead end."""
    page = read(query, 422)
    assert len(shown(read(page.links["Go to the first page"]))) == 40


def test_where_nothing_is_like_that_it_says_how_to_go_on(read: Any) -> None:
    """In this period, and at all."""
    page = read("account=nobody-is-called-so")
    assert "No statements match these filters." in page.text
    assert shown(page) == [] == page.totals
    assert "Search all periods" in page.links
    assert "clear the filter" in read("account=nobody-is-called-so&period=all").links


def test_a_warehouse_without_statements(browser: Any, warehouse_url: Any) -> None:
    """Says what issues the first ones."""
    answer = browser("viewer").get(f"{PREFIX}/statements")
    assert answer.status_code == 200
    assert "No statement has been issued yet." in answer.text
    assert "connector_statements" in answer.text


def test_hostile_names_are_text(read: Any, client: TestClient) -> None:
    """On the page and in the CSV; whoever looks for one finds it."""
    page = read("period=2026-10&type=connector")
    assert {name for name in NAMES if name} <= {row["Account"].rpartition(" acc-")[0] for row in page.rows if row}
    assert len(shown(read("account=%3Cscript%3E"))) > 0
    text = client.get(f"{PREFIX}/statements.csv?period=2026-10").content.decode("utf-8-sig")
    assert "'=cmd|" in text
    assert not [cell for row in csv.reader(io.StringIO(text)) for cell in row if cell[:1] in "=+@" and cell]


def test_a_row_offers_what_can_work(read: Any, world: str) -> None:
    """Each action leads to its page with the statement and the way back, or is greyed with its reason."""
    page = read("period=all&rows=250")
    offered = {
        row["Statement"]: (links, off, row)
        for row, links, off in zip(page.rows, page.row_links, page.off, strict=True)
        if row
    }
    for statement, (links, off, row) in offered.items():
        assert links["Show Statement"] == f"{PREFIX}/statements/{statement}"
        status, is_connector = row["Status"], row["Type"] == "Account Chargers"
        is_due = is_connector and status.split(" charge")[0] in {"Issued", "Billing failure", "Partly paid"}
        can_pay = is_due and "under way" not in status
        assert ("Mark as Paid" in links) == ("Mark as Paid" not in off) == can_pay
        assert ("Undo Mark as Paid" in links) <= (status in {"Paid manually", "Partly paid"})
        if can_pay:
            query = dict(parse_qsl(urlsplit(links["Mark as Paid"]).query))
            assert query == {"statement": statement, "back": "/statements?period=all&rows=250"}
        box = page.boxes[statement]
        # Any connector statement may turn out to be wrong, but none is corrected while it is charged or written off.
        assert ("disabled" in box) == (not is_connector or "under way" in status or "written off" in status)
    reasons = {why for _, off, _ in offered.values() for why in off.values()}
    assert any("it is paid" in why for why in reasons)
    assert any("under way" in why for why in reasons)
    assert any("sums up" in why for why in reasons)


def test_due_says_why_and_who_has_to_act(read: Any, client: TestClient, world: str) -> None:
    """Each in words, with tries and next try; the tabs have the counts, and the CSV has what is filtered."""
    view = "select statement_id, reason, who_acts, attempts, next_attempt_at from finance.due order by statement_id"
    due = rows(world, view)
    page = read("/evbilling/due?rows=250")
    assert shown(page) == [row[0] for row in due]
    acts = {"us": "We do", "customer": "The customer", "nobody": "Nobody"}
    for row, (_, reason, who, attempts, at) in zip(page.rows[1:], due, strict=True):
        assert row["Why"].startswith(reason)
        assert row["Who has to act"] == acts[who]
        assert row["Tried"].split(" ")[0] == (str(attempts) if attempts else "never")
        assert row["Next try"].startswith("from " if at else "none planned")
    assert any("The card has expired." in row["Why"] for row in page.rows[1:])
    ours = [row[0] for row in due if row[2] == "us"]
    page = read(page.links[f"We act {len(ours)}"])
    assert shown(page) == ours != []
    retried = [row[0] for row in due if row[1] == "Declined, and tried again automatically"]
    assert shown(read("/evbilling/due?reason=RETRY")) == retried
    lines = list(csv.reader(io.StringIO(client.get(f"{PREFIX}/due.csv?who=us").text.lstrip("\ufeff"))))
    assert [line[0] for line in lines[1:]] == ours
    failures = rows(world, "select count(*) from finance.statements where status = 'Billing failure'")[0][0]
    assert len(shown(read(page.links[f"Billing failure {failures}"]))) == failures


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("who=them", "who"),
        ("reason=X", "reason"),
        ("age=1", "age"),
        ("sort=total", ""),
        ("after=x", ""),
        ("period=x", "period"),
    ],
)
def test_due_refuses_a_bad_value_beside_its_field(read: Any, query: str, field: str) -> None:
    """The others count, and nothing is listed."""
    page = read(f"/evbilling/due?{query}", 422)
    assert not shown(page)
    assert list(page.errors) == ([field] if field else [])


def test_who_may_not_act_sees_why(
    world: str, browser: Any, warehouse_url: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A viewer has the list and the CSV; every action is greyed, with the right that it takes."""
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", world)
    for role in ROLES:
        page = Page(browser(role).get(f"{PREFIX}/statements?status=billing-failure&period=all").text)
        offs = {words for off in page.off for words in off}
        assert ({"Re-Bill", "Mark as Paid"} <= offs) == (role == "viewer")
    assert (
        "needs permission to trigger the DAG mark_as_paid"
        in Page(browser("viewer").get(f"{PREFIX}/statements?status=billing-failure&period=all").text).text
    )
    assert browser("viewer").get(f"{PREFIX}/statements.csv").status_code == 200
    assert browser(None).get(f"{PREFIX}/statements.csv").status_code == 403
    assert browser("").get(f"{PREFIX}/statements").status_code == 303


def test_the_csv_is_what_is_listed(client: TestClient, world: str) -> None:
    """Exactly what is filtered, in the same order, as an attachment."""
    answer = client.get(f"{PREFIX}/statements.csv?period=all&status=partly-paid&sort=-balance&currency=EUR")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="statements-all.csv"'
    header, *lines = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")))
    balances = [float(line[header.index("Balance due")]) for line in lines]
    assert balances == sorted(balances, reverse=True)
    wanted = StatementFilter((), ("Partly paid",), currency="EUR")
    assert sorted(line[0] for line in lines) == expected(world, wanted) != []


def test_the_csv_has_what_the_books_need(client: TestClient, world: str) -> None:
    """Net and tax as issued, payments as finance.payments has them; for a German spreadsheet by the address."""
    plain = client.get(f"{PREFIX}/statements.csv?period=all&type=connector").content.decode("utf-8-sig")
    german = client.get(f"{PREFIX}/statements.csv?period=all&type=connector&csv=semicolon").content.decode("utf-8-sig")
    found = {row["Statement"]: row for row in csv.DictReader(io.StringIO(plain))}
    other = {row["Statement"]: row for row in csv.DictReader(io.StringIO(german), delimiter=";")}
    with psycopg.connect(world) as connection:
        issued = connection.execute(
            "select statement_id, net_amount::text, tax_amount::text from finance.statements where kind = 'connector'"
        ).fetchall()
        paid = connection.execute(
            """select statement_id, max(paid_on)::text, string_agg(payment_id, ' ' order by recorded_at, payment_id)
               from finance.payments p where reversed_at is null and reverses_payment_id is null and not exists (
                   select from finance.payments r where r.reverses_payment_id = p.payment_id)
               group by statement_id"""
        ).fetchall()
    assert {(name, row["Net"], row["Tax"]) for name, row in found.items()} == set(issued)
    assert {(name, row["Paid on"], row["Payments"]) for name, row in found.items() if row["Payments"]} == set(paid)
    assert {name: row["Net"].replace(".", ",") for name, row in found.items()} == {
        name: row["Net"] for name, row in other.items()
    }
    assert 'value="semicolon" selected' in client.get(f"{PREFIX}/statements?period=all&csv=semicolon").text
    assert client.get(f"{PREFIX}/statements.csv?csv=x").status_code == 400


@pytest.mark.parametrize("query", ["period=nonsense", "sort=lost", "id=X"])
def test_a_csv_of_what_cannot_be_meant_is_refused(client: TestClient, query: str) -> None:
    """With a message instead of an empty file."""
    answer = client.get(f"{PREFIX}/statements.csv?{query}")
    assert answer.status_code == 400
    assert "attachment" not in answer.headers.get("content-disposition", "")
