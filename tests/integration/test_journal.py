"""The journal for the books: each posting is exported once, and other programs compute the ledger's balances."""

from __future__ import annotations

import csv
import hashlib
import io
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evbilling.books import (
    DEFAULT_CHART,
    FORMATS,
    Export,
    export_journal,
    exports,
    left_to_export,
    record_chart,
    stored_file,
)
from evbilling.cli.main import main
from evbilling.errors import BadInput, EvbillingError
from evbilling.period import Period
from evbilling.platform.files import copy_into
from evbilling.settings import read_settings, record_settings
from evbilling.warehouse import connected, read_clock
from tests.support.books import Books
from tests.support.journals import (
    beancount_balances,
    datev_legs,
    hledger_balances,
    ledger_balances,
    save,
)
from tests.support.month import one, rows

pytestmark = pytest.mark.postgres

CURRENCIES = {"a": "EUR", "b": "USD", "c": "JPY", "d": "KWD", "e": "NZD"}


@pytest.fixture
def books(platform_db: str, warehouse_db: Any, tmp_path: Path) -> Books:
    """A month of five currencies: issued, paid in both ways, one payment undone, one statement corrected."""
    world = Books(platform_db, warehouse_db, tmp_path / "evidence")
    for name, currency in CURRENCIES.items():
        world.open(name, currency=currency)
    world.bill("2026-10")
    world.pay(world.statement("b", "2026-10", "connector"))
    world.mark_paid(world.statement("a", "2026-10", "connector"), 100)
    world.correct(world.statement("c", "2026-10", "connector"), -1)
    return world


def month(books: Books) -> Period:
    """The month of now, by the warehouse."""
    with connected(books.writer, what="warehouse") as connection:
        now = read_clock(connection)
    return Period(now.year, now.month)


def export(books: Books, period: Period | None = None) -> Export | None:
    return export_journal(
        books.writer, books.services.evidence, period or month(books), actor="ann", reason="month end"
    )


def exported_ids(books: Books) -> list[int]:
    """The numbers of the postings that all exports' CSV files have, sorted."""
    found = []
    with connected(books.writer, what="warehouse") as connection:
        made = exports(connection)
    for one_export in made:
        _, content = stored_file(books.services.evidence, one_export, "csv")
        found += [int(row["Posting"]) for row in csv.DictReader(io.StringIO(content.decode("utf-8-sig")))]
    return sorted(found)


def ledger_ids(books: Books) -> list[int]:
    return [
        number for (number,) in rows(books.warehouse.finance_url, "select transfer_id from finance.ledger order by 1")
    ]


def test_hledger_computes_the_ledgers_balances(books: Books, tmp_path: Path) -> None:
    """From two exports together: what came later is in the second, and a third has nothing."""
    store = books.services.evidence
    first = export(books)
    books.undo(books.statement("a", "2026-10", "connector"))
    second = export(books)
    assert first
    assert second
    assert second.postings == 1
    assert export(books) is None
    files = [path for made in (first, second) for path in save(store, made, "hledger", tmp_path)]
    assert hledger_balances(files) == ledger_balances(books.warehouse.finance_url)
    assert exported_ids(books) == ledger_ids(books)
    with connected(books.writer, what="warehouse") as connection:
        assert left_to_export(connection, month(books)).postings == 0


def test_what_is_exported_is_what_was_shown(books: Books) -> None:
    """By account and currency, debits as much as credits; and the audit has who and why."""
    with connected(books.writer, what="warehouse") as connection:
        left = left_to_export(connection, month(books))
    made = export(books)
    assert made
    assert made.postings == left.postings == len(ledger_ids(books))
    balances = {(account, currency): debits - credits_ for currency, account, debits, credits_ in left.by_account}
    assert sum(balances.values()) == 0
    query = """select account, currency, sum(amount) from (
                   select debit_account as account, currency, amount from finance.ledger
                   union all select credit_account, currency, -amount from finance.ledger) l group by 1, 2"""
    assert balances == {(a, c): amount for a, c, amount in rows(books.warehouse.finance_url, query)}
    audit = "select actor, reason from finance.audit_events where action = 'journal_exported'"
    assert rows(books.warehouse.finance_url, audit) == [("ann", f"{made.period}: month end")]


@pytest.mark.parametrize("at", ["first file", "last file", "recording"])
def test_an_export_that_is_cut_off_takes_nothing(books: Books, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    """Killed before, between or after its files: nothing is exported, and the next one has every posting."""
    store, count = books.services.evidence, 0
    real = type(store).put_bytes

    def put(self: Any, folder: str, suffix: str, data: bytes) -> Any:
        nonlocal count
        count += 1
        stored = real(self, folder, suffix, data[: len(data) // 2] if at == "first file" else data)
        if (at, count) in {("first file", 1), ("last file", 6)}:
            raise KeyboardInterrupt
        return stored

    with monkeypatch.context() as patched:
        patched.setattr(type(store), "put_bytes", put)
        if at == "recording":
            patched.setattr("evbilling.books.export.one_export", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            export(books)
    assert one(books.warehouse.admin_url, "select count(*) from billing.journal_export") == 0
    assert export(books)
    assert exported_ids(books) == ledger_ids(books)


def test_a_posting_that_commits_late_is_in_the_next_export(books: Books) -> None:
    """A transaction that began before an export, and has numbers among its postings, is seen by the next one only."""
    statement = books.statement("e", "2026-10", "connector")
    query = """select billing.record_paid_outside('late', %s, 100, 'NZD', '2026-11-20', 'transfer', 'ann', 'test')"""
    with psycopg.connect(books.writer) as late:
        late.execute(query, (statement,))
        books.mark_paid(books.statement("a", "2026-10", "connector"), 50)
        first = export(books)
        assert first
        before = exported_ids(books)
    second = export(books)
    assert second
    assert second.postings == 1
    (number,) = set(exported_ids(books)) - set(before)
    assert number < max(before)
    assert exported_ids(books) == ledger_ids(books)


def test_of_two_exports_at_once_one_has_a_posting(books: Books) -> None:
    """The other says that nothing was recorded, or comes after and finds nothing."""
    outcomes: list[object] = []
    start = threading.Barrier(2)

    def run() -> None:
        start.wait()
        try:
            outcomes.append(export(books))
        except EvbillingError as refused:
            outcomes.append(refused)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(outcome, Export) for outcome in outcomes) == 1
    assert all(isinstance(outcome, Export | BadInput) or outcome is None for outcome in outcomes)
    assert exported_ids(books) == ledger_ids(books)


def test_a_month_ends_at_midnight_in_the_time_zone_of_the_books(books: Books) -> None:
    """What was posted a second before is of the month, and a second after of the next one."""
    with connected(books.writer, what="warehouse") as connection:
        _record_zone(connection, "Pacific/Auckland")
    with psycopg.connect(books.warehouse.admin_url) as connection:
        connection.execute("set local session_replication_role = replica")
        for account, at in (("d", "2026-08-31T11:59:59Z"), ("e", "2026-08-31T12:00:00Z")):
            statement = books.statement(account, "2026-10", "connector")
            connection.execute("update billing.transfer set posted_at = %s where statement_id = %s", (at, statement))
    made = export(books, Period(2026, 8))
    assert made
    _, content = stored_file(books.services.evidence, made, "csv")
    table = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    assert {row["Document"] for row in table} == {books.statement("d", "2026-10", "connector")}
    assert {row["Booked on"] for row in table} == {"2026-08-31"}


def _record_zone(connection: psycopg.Connection[Any], zone: str) -> None:
    record_chart(connection, DEFAULT_CHART.replace('"UTC"', f'"{zone}"'), actor="ann", reason="our books")


def test_the_warehouse_refuses_a_posting_twice_and_one_it_doesnt_have(books: Books) -> None:
    """Whoever records it: as the writer by the function, as the owner by the constraint."""
    made = export(books)
    assert made
    call = """select billing.record_journal_export('2026-10', now(), null, %s::text::int8multirange,
                                                   '[{"format": "csv"}]', now(), 'ann', 'again')"""
    with psycopg.connect(books.writer) as connection, pytest.raises(psycopg.Error, match="another export has taken"):
        connection.execute(call, (f"{{[{ledger_ids(books)[0]},{ledger_ids(books)[0]}]}}",))
    with psycopg.connect(books.writer) as connection, pytest.raises(psycopg.Error, match="ledger has 0 of them"):
        connection.execute(call, ("{[999999,999999]}",))
    with psycopg.connect(books.warehouse.admin_url) as connection, pytest.raises(psycopg.errors.ExclusionViolation):
        connection.execute(
            """insert into billing.journal_export (period, booked_before, transfers, postings, actor, reason, made_at)
               select period, booked_before, transfers, postings, actor, reason, made_at from billing.journal_export"""
        )


def test_a_file_is_as_it_was_made(books: Books) -> None:
    """Each file's bytes have the hash on record; a changed one is refused."""
    made, store = export(books), books.services.evidence
    assert made
    assert {file.format for file in made.files} == set(FORMATS)
    for file in made.files:
        assert len(stored_file(store, made, file.format)[1]) == file.size
    changed = made.files[0]
    folder = Path(books.services.evidence_url)
    (folder / changed.key).write_bytes(b"other")
    with pytest.raises(BadInput, match="has changed since it was stored"):
        stored_file(store, made, changed.format)


def test_the_command_exports_lists_and_downloads(
    books: Books, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file is that of the record; a second export has nothing; a chart that isn't valid is one message."""
    where = ["--url", books.writer]
    kept = ["--evidence", books.services.evidence_url]
    period, out = str(month(books)), tmp_path / "out.journal"
    assert main(["journal", "export", period, "--format", "hledger", "--out", str(out), *kept, *where]) == 0
    assert main(["journal", "list", *where]) == 0
    printed = capsys.readouterr().out
    assert hashlib.sha256(out.read_bytes()).hexdigest() in printed.splitlines()[-1]
    again = tmp_path / "again.journal"
    assert main(["journal", "download", "1", "--format", "hledger", "--out", str(again), *kept, *where]) == 0
    assert again.read_bytes() == out.read_bytes()
    assert main(["journal", "export", period, *kept, *where]) == 0
    assert f"nothing is left to export of {period}" in capsys.readouterr().out
    chart = tmp_path / "chart.toml"
    assert main(["journal", "chart", *where]) == 0
    chart.write_text(capsys.readouterr().out.replace('number = "8200"', 'number = "82000"'), encoding="utf-8")
    assert main(["journal", "load-chart", str(chart), "--reason", "ours", *where]) == 2
    assert "account revenue: number is '82000', and DATEV's have up to 4 digits" in capsys.readouterr().err


@pytest.mark.full
def test_beancount_and_a_reader_of_datev_compute_the_ledgers_balances(books: Books, tmp_path: Path) -> None:
    """Of five currencies; DATEV's in euro by the rates of the chart, each row balanced."""
    rates = '\nUSD = "1.0832"\nJPY = "163.25"\nNZD = "1.79"\n'
    with connected(books.writer, what="warehouse") as connection:
        record_chart(connection, DEFAULT_CHART + rates, actor="ann", reason="rates")
    first = export(books)
    books.undo(books.statement("a", "2026-10", "connector"))
    second = export(books)
    assert first
    assert second
    store = books.services.evidence
    files = [path for made in (first, second) for path in save(store, made, "beancount", tmp_path)]
    assert beancount_balances(files, tmp_path) == ledger_balances(books.warehouse.finance_url)
    datev = [path for made in (first, second) for path in save(store, made, "datev", tmp_path)]
    tables = [path for path in datev if path.suffix == ".csv"]
    # The reader knows books in euro alone, and DATEV no rate below 1, so dinars are in files of their own.
    legs, sums = datev_legs([path for path in tables if "_KWD_" not in path.name])
    counted = one(books.warehouse.finance_url, "select 2 * count(*) from finance.ledger where currency <> 'KWD'")
    assert legs == counted
    assert sum(sums.values()) == Decimal(0)


@pytest.mark.full
def test_three_real_months(platform_db: str, warehouse_db: Any, real_data: Path, tmp_path: Path) -> None:
    """The real inventory, an export after each: hledger and Beancount have the ledger's balances, Xero's lines none."""
    with psycopg.connect(platform_db) as connection:
        copy_into(connection, str(real_data), "platform")
    record_settings(warehouse_db.writer_url, read_settings(real_data / "billing_settings.csv"), "ann")
    world = Books(platform_db, warehouse_db, tmp_path / "evidence")
    made = []
    for period in ("2020-08", "2020-09", "2020-10"):
        world.bill(period)
        issued = "select statement_id from finance.statements where period = %s order by 1"
        for (statement,) in rows(warehouse_db.finance_url, issued, period)[::7]:
            world.pay(statement)
        one_export = export(world)
        assert one_export
        made.append(one_export)
    assert exported_ids(world) == ledger_ids(world)
    balances = ledger_balances(warehouse_db.finance_url)
    store = world.services.evidence
    files = {name: [path for one in made for path in save(store, one, name, tmp_path)] for name in FORMATS}
    assert hledger_balances(files["hledger"]) == balances
    assert beancount_balances(files["beancount"], tmp_path) == balances
    tables = {
        name: [list(csv.DictReader(io.StringIO(path.read_text()))) for path in files[name]]
        for name in ("xero", "quickbooks")
    }
    assert max(map(len, tables["xero"])) <= 300
    assert sum(Decimal(row["*Amount"]) for table in tables["xero"] for row in table) == 0
    entries = [row for table in tables["quickbooks"] for row in table]
    sides = [sum(Decimal(row[side] or 0) for row in entries) for side in ("Debits", "Credits")]
    assert sides[0] == sides[1] == one(warehouse_db.finance_url, "select sum(amount) from finance.ledger")
