"""The Month page on a real warehouse: its figures beside a recount through the finance views."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import psycopg
import pytest
from fastapi.testclient import TestClient

from evbilling.read_models.statement_list.filters import StatementFilter
from evbilling.service_levels import read_service_levels
from evbilling_local.stack import EmbeddedPostgres
from evbilling_web import warehouse
from evbilling_web.month import routes as month_routes
from evbilling_web.service_levels import reading
from tests.support.month import one, rows
from tests.support.month_history import LAST, MONTHS, Months, opened_months
from tests.support.web import PREFIX

pytestmark = [pytest.mark.airflow, pytest.mark.postgres]


class Page(HTMLParser):
    """A page's tables by their labels, its links and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.all_links: list[tuple[str, str]] = []
        self.text = ""
        self._region = self._href = ""
        self._cell: list[str] | None = None
        self._words: list[str] = []
        self.feed(text)

    @property
    def links(self) -> dict[str, str]:
        """Addresses by their words."""
        return dict(self.all_links)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert "style" not in given, "a style of its own is refused by the page's policy"
        assert not [name for name in given if name.startswith("on")], "so is a script"
        if given.get("role") == "region":
            self._region = given["aria-label"] or ""
            self.tables[self._region] = []
        elif tag == "tr" and self._region:
            self.tables[self._region].append([])
        elif tag in {"td", "th"}:
            self._cell = []
        elif tag == "a":
            self._href, self._words = given.get("href") or "", []

    def handle_data(self, data: str) -> None:
        self.text += data
        self._words.append(data)
        if self._cell is not None:
            self._cell.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag in {"td", "th"} and self._cell is not None:
            if self.tables.get(self._region):
                self.tables[self._region][-1].append(" ".join("".join(self._cell).split()))
            self._cell = None
        elif tag == "a":
            self.all_links.append((" ".join("".join(self._words).split()), self._href))


@pytest.fixture(scope="module")
def world(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Months]:
    with opened_months(postgres, tmp_path_factory.mktemp("month_page")) as opened:
        yield opened


@pytest.fixture
def read(world: Months, browser: Callable[..., TestClient], warehouse_url: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Reads a page of the world as a viewer."""
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", world.writer_url)
    monkeypatch.setattr(month_routes, "read_clock", lambda _: datetime(2026, 11, 20, 12, tzinfo=UTC))
    client = browser("viewer")

    def page(path: str) -> Page:
        answer = client.get(PREFIX + path)
        assert answer.status_code == 200, answer.text
        return Page(answer.text)

    yield page
    warehouse.close()


def figure(text: str) -> Decimal:
    """A figure as a page writes it."""
    return Decimal(re.sub(r"[^0-9.-]", "", text.replace("\N{MINUS SIGN}", "-")))


@pytest.mark.parametrize("period", MONTHS, ids=str)
def test_the_bar_tables_are_the_statements(read: Any, world: Months, period: Any) -> None:
    """Amounts by status and currency, and the connectors of each month, as finance's views count them."""
    page = read(f"/months/{period}")
    query = """select currency, status, count(*), sum(total_amount), sum(balance_due) from finance.statements
               where kind = 'connector' and period = %s group by 1, 2"""
    found = {
        (label[:3], cells[0], *map(figure, cells[1:]))
        for label, table in page.tables.items()
        if label.endswith("amounts by status")
        for cells in table[1:]
    }
    assert found == set(rows(world.admin_url, query, str(period)))
    lines = "select count(*) from finance.statement_lines where period = %s"
    billed = dict(page.tables["Connectors billed"][1:])
    shown = {f"{p.first_day:%b %Y}": f"{one(world.admin_url, lines, str(p)):,}" for p in MONTHS if p <= period}
    assert len(billed) == 12
    assert {month: count for month, count in billed.items() if count != "\N{EN DASH}"} == shown


def test_failures_and_why(read: Any, world: Months) -> None:
    """Failures by class add up to the statements that ever failed, and codes are told in the words of admins."""
    page = read(f"/months/{LAST}")
    failed = """select count(distinct statement_id), count(*) from finance.payment_attempts
                join finance.statements using (statement_id) where period = %s and outcome = 'declined'"""
    table = page.tables["Failures by decline class"][1:]
    ((statements, attempts),) = rows(world.admin_url, failed, str(LAST))
    assert (sum(figure(row[3]) for row in table), sum(figure(row[4]) for row in table)) == (statements, attempts)
    assert all(figure(row[1]) + figure(row[2]) == figure(row[3]) for row in table)
    assert "There wasn't enough money on the card" in page.text
    # What is still due for a code, and of an age, is one click away.
    due = "select count(*) from finance.due where period = %s and last_decline_code = %s"
    codes = [(row[1], row[3]) for row in page.tables["Why charges failed"][1:]]
    for code, unpaid in codes:
        assert unpaid == str(one(world.admin_url, due, str(LAST), code))
        if unpaid != "0":
            listed = read(f"/due?period={LAST}&decline={code}")
            assert listed.text.count("Who has to act") == 1
            assert f"{unpaid} statement" in listed.text
            assert (unpaid, f"{PREFIX}/due?period={LAST}&decline={code}") in page.all_links
    ages = {parse_qsl(urlsplit(link).query)[0] for _, link in page.all_links if link.startswith(f"{PREFIX}/due?age=")}
    assert ("age", "0-30") in ages


def test_receivables_with_credits_apart(read: Any, world: Months) -> None:
    """Due less credit of all ages is what the ledger says, by currency."""
    page = read(f"/months/{LAST}")
    ledger = "select currency, sum(balance_due) from finance.receivables_by_age group by 1"
    found = {
        label[:3]: sum(figure(row[-1]) for row in table[1:])
        for label, table in page.tables.items()
        if label.endswith("receivables by age")
    }
    assert found == dict(rows(world.admin_url, ledger))
    credit = sum(figure(row[4]) for row in page.tables["EUR: receivables by age"][1:])
    assert credit == one(world.admin_url, "select sum(balance_due) from finance.statements where balance_due < 0")


def test_links_lead_to_exactly_the_statements_that_are_told(read: Any, world: Months) -> None:
    """The link of a status says as many statements as its address filters."""
    page = read(f"/months/{LAST}")
    links = [(words, href) for words, href in page.all_links if words in {"Billing failure", "Partly paid", "Issued"}]
    assert len(links) >= 2
    told = {
        (label[:3], row[0]): figure(row[1])
        for label, table in page.tables.items()
        if label.endswith("amounts by status")
        for row in table[1:]
    }
    for words, href in links:
        address = urlsplit(href)
        assert address.path == f"{PREFIX}/statements"
        wanted = StatementFilter.parse(parse_qsl(address.query))
        query = """select count(*) from finance.statements
                   where kind = any(%s) and status = any(%s) and period = %s and currency = %s"""
        values = (list(wanted.kinds), list(wanted.statuses), str(wanted.period), wanted.currency)
        counted = one(world.admin_url, query, *values)
        assert wanted.statuses == (words,)
        assert told[wanted.currency, words] == counted
        listed = read(f"/statements?{address.query}")
        ids = re.findall(r"A-[0-9]{6}-[0-9]{6}", listed.text)
        assert len(set(ids)) == counted, "and the list has them"


def test_accounts_held_lights_and_runs(read: Any, world: Months) -> None:
    """Who is held, why and for how much; every check; each run with its DAG run in Airflow and its validation."""
    page = read(f"/months/{LAST}")
    held = page.tables["Accounts on hold"][1:]
    assert [row[0].split()[-1] for row in held] == ["h-admin", "h-twice", "h-money"]
    assert "ADMIN-INACTIVE" in held[1][1]
    assert "SCOPE-UNKNOWN" in held[1][1]
    assert held[0][3] == "95.20 EUR"
    assert page.links["h-admin"] == f"{PREFIX}/accounts/h-admin"
    assert [row[0] for row in page.tables["Accounts with nothing to bill"][1:]] == ["n-empty"]
    checks = one(world.admin_url, "select count(*) from finance.tie_out where period = %s", str(LAST))
    assert len(page.tables["Tie-out"]) - 1 == checks
    assert f"All {checks} agree" in page.text
    (correcting,), (billing,) = rows(
        world.admin_url, "select run_id from billing.run where period = %s order by run_id desc", str(LAST)
    )
    assert [row[0] for row in page.tables["Runs"][1:]] == [str(correcting), str(billing)]
    assert page.tables["Runs"][1][-1] == "none", "this run was not validated"
    assert page.links["correct_statements"] == f"/dags/correct_statements/runs/manual__{LAST}"
    assert page.links[f"Results of run {billing}"] == f"{PREFIX}/validation/{billing}"


def test_doubts_are_told_with_examples(read: Any) -> None:
    """What the validation found doubtful: in the sentence above, and below with what is meant by it."""
    page = read(f"/months/{LAST}")
    assert "1 thing in the inventory looks doubtful; see below." in page.text
    assert "Every charger belongs to an account that the platform knows: not so" in page.text
    assert "1 charger of the account 'a-paid ' ('astray'), which resembles 'a-paid'" in page.text
    assert "doubtful" not in read(f"/months/{MONTHS[0]}").text.lower()


def test_a_difference_is_told_first(read: Any, world: Months) -> None:
    """A check that doesn't agree turns the page's sentence, its light and its row."""
    change = "update billing.tie_out set right_value = right_value + %s where period = %s and check_id = %s"
    with psycopg.connect(world.admin_url) as connection:
        connection.execute(change, (Decimal("0.01"), str(LAST), "net-EUR"))
    try:
        page = read(f"/months/{LAST}")
        assert "1 pair of figures that must agree differs." in page.text
        assert page.tables["Tie-out"][1][0] == "no"
        assert page.tables["Tie-out"][1][-1] == "\N{MINUS SIGN}0.01"
        november = next(row for row in read("/months").tables["Months"] if row[0] == "November 2026")
        assert "1 of" in november[-1]
    finally:
        with psycopg.connect(world.admin_url) as connection:
            connection.execute(change, (Decimal("-0.01"), str(LAST), "net-EUR"))


def test_the_list_of_months(read: Any) -> None:
    """The newest first, each leading to its page."""
    page = read("/months")
    assert [row[0] for row in page.tables["Months"][1:]] == ["November 2026", "October 2026", "September 2026"]
    assert page.links["October 2026"] == f"{PREFIX}/months/2026-10"
    neighbours = read("/months/2026-10").links
    assert neighbours["\N{LEFTWARDS ARROW} September 2026"] == f"{PREFIX}/months/2026-09"
    assert neighbours["November 2026 \N{RIGHTWARDS ARROW}"] == f"{PREFIX}/months/2026-11"


def test_a_month_that_never_ran_is_overdue(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the list and on its page, with the days; and so are account statements of a month that was billed in time."""
    monkeypatch.setattr(month_routes, "read_clock", lambda _: datetime(2027, 1, 5, 12, tzinfo=UTC))
    late = {row[0]: row[1] for row in read("/months").tables["Months"][1:]}
    assert late["January 2027"] == "not billed Overdue by 3 days"
    assert late["December 2026"] == "not billed Overdue by 34 days"
    assert "Overdue" not in late["November 2026"]
    december = read("/months/2026-12")
    assert "Not billed yet. It is overdue by 34 days." in december.text
    assert "overdue" not in read("/months/2027-02").text.lower()
    assert "overdue" not in read("/months/2020-01").text.lower()


def test_every_page_says_what_is_late(
    read: Any, world: Months, fake_airflow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line with a link to the page that has all of it: since when, why, for how many accounts and how much."""
    fake_airflow.paused = {"payment_retries"}
    late_on = datetime(2027, 1, 5, 12, tzinfo=UTC)
    monkeypatch.setattr(reading, "read_service_levels", lambda connection: read_service_levels(connection, late_on))
    for path in ("/months", "/months/2026-11", "/statements", "/mail", f"/statements/{world.statement('a-soft')}"):
        page = read(path)
        assert re.search(r": late since 2026-1[0-9]-[0-9]{2} [0-9:]{5} UTC, and [0-9]+ more things", page.text), path
        assert page.links["Service levels"] == f"{PREFIX}/service-levels"
    table = {row[0]: row[1:] for row in read("/service-levels").tables["Service levels"][1:]}
    december = table["The month's connector statements of 2026-12"]
    assert december[0] == "late"
    assert december[3] == "no run of connector_statements began"
    (retries,) = [row for what, row in table.items() if what.startswith("The daily retries of failed payments")]
    assert retries[3].startswith("payment_retries is paused in Airflow")


def test_a_paused_dag_is_named_with_what_doesnt_happen(read: Any, fake_airflow: Any) -> None:
    """On both pages of months; since when, where Airflow's log says it; actions' DAGs are nobody's promise here."""
    assert "is paused" not in read("/months").text
    fake_airflow.paused = {"payment_retries", "connector_statements", "rebill"}
    fake_airflow.events = [
        {"dag_id": "payment_retries", "when": "2026-11-03T08:15:00Z", "extra": '{"is_paused": true}'},
        {"dag_id": "connector_statements", "when": "2026-11-02T08:15:00Z", "extra": '{"is_paused": false}'},
        {"dag_id": "payment_retries", "when": "2026-11-01T08:15:00Z", "extra": '{"is_paused": false}'},
    ]
    for path in ("/months", f"/months/{LAST}"):
        said = " ".join(read(path).text.split())
        assert (
            "payment_retries is paused in Airflow since 3 Nov 2026, 08:15 UTC : no failed payment is tried again"
        ).replace(" :", ":") in said
        assert "connector_statements is paused in Airflow: no month is billed by itself." in said
        assert "rebill is paused" not in said


def test_what_is_missing_can_be_issued_from_the_page(read: Any, fake_airflow: Any) -> None:
    """Also while the DAG is paused; nobody is sent to Airflow's form, which would unpause it."""
    fake_airflow.paused = {"connector_statements"}
    page = read(f"/months/{LAST}")
    assert page.links["Issue what is missing"].startswith(f"{PREFIX}/actions/bill-month?period={LAST}&back=")
    assert "Trigger" not in page.text


def test_a_month_of_which_there_is_nothing(read: Any) -> None:
    """A page that says so and how it comes about, not an error."""
    page = read("/months/2031-01")
    assert "Not billed yet." in page.text
    # It hasn't begun.
    assert "Bill January 2031" not in page.links


@pytest.mark.parametrize(
    "period", ["2026-13", "2026-1", "november", "1850-01", "2026-11-01", "%00", "\N{FULLWIDTH DIGIT NINE}" * 4 + "-01"]
)
def test_what_is_no_month_isnt_found(browser: Callable[..., TestClient], warehouse_url: Any, period: str) -> None:
    """404, with words."""
    answer = browser().get(f"{PREFIX}/months/{period}")
    assert answer.status_code == 404
    assert "is not a billing period" in answer.text
    assert "YYYY-MM" in answer.text


@pytest.mark.parametrize("period", ["1900-01", "9999-12"])
def test_the_first_and_last_months_there_are(
    browser: Callable[..., TestClient], warehouse_url: Any, period: str
) -> None:
    """At the ends of time there is no month before, or after."""
    answer = browser().get(f"{PREFIX}/months/{period}")
    assert answer.status_code == 200


def test_an_empty_warehouse(browser: Callable[..., TestClient], warehouse_url: Any) -> None:
    """Both pages say what comes first."""
    assert "No month has been billed yet" in browser().get(f"{PREFIX}/months").text
    assert "Not billed yet." in browser().get(f"{PREFIX}/months/2026-11").text


def test_hostile_words_are_text(world: Months, read: Any) -> None:
    """What the platform or a person wrote is shown as it is, never as markup."""
    hostile = "<script>alert(1)</script> =cmd() \N{RIGHT-TO-LEFT OVERRIDE}x " + "w" * 300
    with psycopg.connect(world.admin_url) as connection:
        connection.execute(
            "update billing.unbilled_account set detail = %s where account_id = 'h-admin' and period = %s",
            (hostile, str(MONTHS[1])),
        )
        connection.execute(
            "update billing.run set failure = %s, actor = %s where period = %s", (hostile, hostile, str(MONTHS[1]))
        )
    page = read(f"/months/{MONTHS[1]}")
    assert page.text.count("<script>alert(1)</script>") >= 2


@pytest.mark.parametrize("period", MONTHS, ids=str)
def test_the_plan_adds_up_and_names_its_causes(read: Any, world: Months, period: Any) -> None:
    """By currency the month before, the causes and what was issued; each account's causes are on the plan's page."""
    page = read(f"/months/{period}")
    tables = {label[-3:]: table[1:] for label, table in page.tables.items() if label.startswith("Plan in ")}
    assert tables
    # Of an issued plan a line is enough until somebody asks for more.
    assert re.search(r"[\d,]+ statements? for [\d,]+ connectors?, [\d.,]+ [A-Z]{3}", page.text)
    for currency, table in tables.items():
        for column in (1, 2):
            *parts, planned = (
                figure(row[column]) if any(map(str.isdigit, row[column])) else Decimal(0) for row in table
            )
            assert sum(parts) == planned, (currency, column)
    accounts = read(f"/months/{period}/plan").tables["Accounts, the largest change first"][1:]
    changes = [abs(figure(row[5].split()[0])) for row in accounts]
    assert changes == sorted(changes, reverse=True)
    assert all(row[6] for row in accounts)
    (account_id,) = rows(world.admin_url, "select account_id from billing.plan_account order by 1 limit 1")[0]
    assert account_id in read(f"/months/{period}/plan?account={account_id}").text


def test_a_month_without_a_plan_says_so(browser: Callable[..., TestClient], read: Any) -> None:
    """Neither section nor page; the latter says why."""
    assert "All accounts of the plan" not in read("/months/2027-02").links
    answer = browser("viewer").get(f"{PREFIX}/months/2027-02/plan")
    assert answer.status_code == 404
    assert "2027-02 has no plan" in answer.text
