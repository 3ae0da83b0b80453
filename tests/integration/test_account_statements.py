"""Account statements month by month on a small hand-written platform: every item on one of them, and nothing lost."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evbilling.account_statements import assembly, validate
from evbilling.account_statements import close_run as close_account_run
from evbilling.account_statements import issue_statements as issue_account_statements
from evbilling.errors import BadInput, NotReady, SetFault, StaleTry, TransientError
from evbilling.period import Period
from evbilling.platform.postgres import PostgresSource
from evbilling.read_models.statement import Item, Situation, read_collections, show_statement, standing_of
from evbilling.services import Services
from tests.support.books import Books
from tests.support.month import (
    contents,
    one,
    rows,
    settle_terms,
    staging_tables,
    terms,
)

pytestmark = pytest.mark.postgres

OCT, NOV, DEC, JAN = "2026-10", "2026-11", "2026-12", "2027-01"
FEE = Decimal("5.95")  # one connector at 5.00 and 19 % tax


@pytest.fixture
def books(platform_db: str, warehouse_db: Any, tmp_path: Path) -> Books:
    return Books(platform_db, warehouse_db, tmp_path)


def shown(books: Books, account: str, period: str) -> dict[str, Item]:
    """The items of an account statement as its page and document have them, by id."""
    with books.services.warehouse() as connection:
        items = show_statement(connection, books.statement(account, period)).items
    return {item.item_id: item for item in items}


def test_three_months_roll_forward(books: Books) -> None:
    """Each statement opens with the last closing balance and lists once what came since, late or not."""
    books.open("a", "b")
    books.charge("before", "a", at="2026-10-31T22:59:59Z")
    books.charge("on-time", "a", "20.00", "5.00", at="2026-10-31T23:00:00Z")
    books.charge("last", "a", "1.00", at="2026-11-30T22:59:59Z")
    books.charge("next", "a", "2.00", at="2026-11-30T23:00:00Z")
    assert books.month(NOV) | {"run_id": 0} == {
        "outcome": "issued",
        "statements": 2,
        "items": 6,
        "withheld": 0,
        "run_id": 0,
        "warnings": 0,
    }
    november = books.statement("a", NOV, "connector")
    assert books.items("a", NOV) == {
        ("opening_balance", "first-of-a"): (0, 0),
        ("connector_statement", november): (FEE, 0),
        ("charge", "on-time"): (Decimal("20.00"), Decimal("5.00")),
        ("charge", "last"): (Decimal("1.00"), 0),
    }
    assert books.closing(NOV) == {"a": FEE + 16, "b": FEE}
    assert one(books.warehouse.finance_url, "select min(occurred_at) from finance.account_statement_items") == datetime(
        2026, 10, 31, 23, tzinfo=UTC
    )

    payment = books.pay(november)
    books.mark_paid(books.statement("b", NOV, "connector"), 195)
    books.charge("late", "a", "3.00", at="2026-11-02T08:00:00Z")
    books.settle_charge("on-time", "12.50")
    books.month(DEC)
    assert books.items("a", DEC) == {
        ("opening_balance", books.statement("a", NOV)): (FEE + 16, 0),
        ("connector_statement", books.statement("a", DEC, "connector")): (FEE, 0),
        ("charge", "late"): (3, 0),
        ("charge", "next"): (2, 0),
        ("payment", payment): (-FEE, 0),
        ("paid_outside", "settled/on-time/1250"): (Decimal("-7.50"), 0),
    }
    assert books.closing(DEC) == {"a": FEE + 16 + 5 - Decimal("7.50"), "b": 2 * FEE - Decimal("1.95")}

    books.settle_charge("on-time", "20.00")
    correction = books.correct(november, -200)
    books.month(JAN)
    assert books.items("a", JAN)["paid_outside", "settled/on-time/2000"] == (Decimal("-7.50"), 0)
    assert books.items("a", JAN)["correction", correction] == (-2, 0)
    listed = shown(books, "a", JAN)
    assert (listed[correction].event, listed[correction].concerns) == ("correction", november)
    settled = listed["settled/on-time/2000"]
    assert (settled.event, settled.reference) == ("settled", shown(books, "a", NOV)["on-time"].description)
    assert books.closing(JAN) == {"a": 2 * FEE + 4, "b": 3 * FEE - Decimal("1.95")}
    check_parts(books, november)
    assert one(
        books.warehouse.finance_url, "select bool_and(is_ok) from finance.tie_out where check_id like 'account-%'"
    )


def check_parts(books: Books, november: str) -> None:
    """Of each closing balance, what is left of connector statements and what of other charges; and which are due."""
    with psycopg.connect(books.writer) as connection:
        for period, here, elsewhere, due in (
            (NOV, FEE, Decimal(16), []),
            (DEC, FEE, Decimal("13.50"), [DEC]),
            (JAN, 2 * FEE - 2, Decimal(6), [DEC, JAN]),
        ):
            view = show_statement(connection, books.statement("a", period))
            assert (view.due_here, view.due_elsewhere) == (here, elsewhere)
            found = read_collections(connection, of=view.header)
            assert [one.statement_id for one in found] == [books.statement("a", month, "connector") for month in due]
            assert all(one.balance == FEE and one.last_outcome is None for one in found)
        # Paid and credited since: in the customer's favour, and nothing to be collected.
        (paid,) = read_collections(connection, november)
        assert (paid.balance, paid.paid, paid.last_outcome) == (-2, FEE, "succeeded")
        assert standing_of(paid, None, are_retries_sent=True).situation is Situation.IN_FAVOUR


def test_an_undone_payment_is_listed_as_it_becomes_known(books: Books) -> None:
    """Listed and then undone: the undo goes on the next statement. Undone before it was listed: both are on one."""
    books.open("a", "b", "c")
    books.month(NOV)
    first, second, third = (books.statement(name, NOV, "connector") for name in ("a", "b", "c"))
    paid, both, later = books.mark_paid(first, 500), books.mark_paid(second, 100), books.mark_paid(third, 300)
    books.undo(second)
    books.month(DEC)
    assert books.items("a", DEC)["paid_outside", paid] == (-5, 0)
    assert {key: item for key, item in books.items("b", DEC).items() if key[0] == "paid_outside"} == {
        ("paid_outside", both): (-1, 0),
        ("paid_outside", f"{both}-undone"): (1, 0),
    }
    assert books.closing(DEC) == {"a": 2 * FEE - 5, "b": 2 * FEE, "c": 2 * FEE - 3}

    books.undo(first)
    books.undo(third)
    again = books.mark_paid(third, 595)
    books.month(JAN)
    assert books.items("a", JAN) == {
        ("opening_balance", books.statement("a", DEC)): (2 * FEE - 5, 0),
        ("connector_statement", books.statement("a", JAN, "connector")): (FEE, 0),
        ("paid_outside", f"{paid}-undone"): (5, 0),
    }
    assert {key: item for key, item in books.items("c", JAN).items() if key[0] == "paid_outside"} == {
        ("paid_outside", f"{later}-undone"): (3, 0),
        ("paid_outside", again): (-FEE, 0),
    }
    assert books.closing(JAN) == {"a": 3 * FEE, "b": 3 * FEE, "c": 2 * FEE}
    query = "select description from finance.account_statement_items where item_id = %s"
    assert one(books.warehouse.finance_url, query, f"{paid}-undone") == (
        f"Undone, booked by mistake: payment of {first} on 2026-11-20, transfer"
    )
    undone = shown(books, "a", JAN)[f"{paid}-undone"]
    assert (undone.event, undone.concerns, undone.paid_on, undone.reference) == (
        "undo",
        first,
        date(2026, 11, 20),
        "transfer",
    )
    # Stated twice it would be given back twice.
    assert books.state(JAN)["outcome"] == "unchanged"
    sums = "select bool_and(is_ok) from finance.tie_out where check_id like 'account-%'"
    assert one(books.warehouse.finance_url, sums)


def test_a_second_run_and_a_month_out_of_order_write_nothing(books: Books) -> None:
    """What is stated stays; a payment since goes on the next one, and an earlier month isn't stated afterwards."""
    books.open("a")
    books.bill(OCT)
    books.month(NOV)
    books.pay(books.statement("a", NOV, "connector"))
    before = books.kept()
    nothing = {"outcome": "unchanged", "statements": 0, "items": 0, "withheld": 0}
    for period in (NOV, OCT):
        again = books.state(period)
        assert {name: again[name] for name in nothing} == nothing
    before["tie_out"] = books.kept()["tie_out"]
    assert books.kept() == before
    assert books.closing(OCT) == {}
    assert books.closing(NOV) == {"a": 2 * FEE}
    books.month(DEC)
    assert books.closing(DEC) == {"a": 2 * FEE}


def test_what_belongs_to_a_later_month_waits_for_it(books: Books) -> None:
    """Two months are billed before the first of them is stated: each statement has what is of its own month."""
    books.open("a")
    books.bill(NOV)
    books.bill(DEC)
    november, december = (books.statement("a", period, "connector") for period in (NOV, DEC))
    books.state(NOV)
    assert set(books.items("a", NOV)) == {("opening_balance", "first-of-a"), ("connector_statement", november)}
    books.state(DEC)
    assert set(books.items("a", DEC)) == {
        ("opening_balance", books.statement("a", NOV)),
        ("connector_statement", december),
    }
    assert (books.closing(NOV), books.closing(DEC)) == ({"a": FEE}, {"a": 2 * FEE})


ALTERED = {
    "fell": ("set settled_amount = 1", "of charge fell of fell, 1 EUR are settled now, by its statements 5.00 were"),
    "dearer": ("set net_amount = 11", "charge dearer of dearer is 11 + 0 EUR now, on statement S-202611-"),
    "moved": ("set account_id = 'heir'", "charge moved of heir is on statement S-202611-000005 of moved already"),
    "hidden": ("set occurred_at = '2026-10-01T00:00:00Z'", "charge hidden of hidden, on statement S-202611-"),
}


def test_a_listed_charge_that_was_altered_is_told_and_not_booked(books: Books) -> None:
    """The statements stand, and the run's warnings name the charges."""
    books.open(*ALTERED, "heir")
    for name in ALTERED:
        books.charge(name, name, "10.00", "5.00")
    books.month(NOV)
    for name, (change, _) in ALTERED.items():
        books.platform.execute(f"update platform.account_charge {change} where charge_id = '{name}'")
    december = books.month(DEC)
    assert december["warnings"] == 1
    told = books.warnings(december["run_id"])
    assert [says for _, says in ALTERED.values() if says not in told] == []
    assert "charge moved of moved, on statement S-202611-000005, is no longer" in told
    assert books.closing(DEC) == {"heir": 2 * FEE} | dict.fromkeys(ALTERED, 2 * FEE + 5)


def test_an_account_with_billing_off_is_stated_until_its_balance_is_nil(books: Books) -> None:
    """It keeps the address of its newest statement, though the platform no longer has it."""
    books.open("a", "gone")
    books.month(NOV)
    settle_terms(books.writer, terms("gone", effective_from=Period.parse(DEC), charge_connectors=False))
    books.platform.execute("delete from platform.account where account_id = 'gone'")
    books.pay(books.statement("gone", NOV, "connector"))
    books.month(DEC)
    assert books.closing(DEC) == {"a": 2 * FEE, "gone": 0}
    query = "select account_name, financial_admin_id, time_zone from billing.statement where statement_id = %s"
    assert rows(books.warehouse.admin_url, query, books.statement("gone", DEC)) == [
        ("Name of gone", "fa-gone", "Europe/Berlin")
    ]
    books.month(JAN)
    assert set(books.closing(JAN)) == {"a"}


def test_an_account_that_the_platform_lost_is_addressed_as_on_its_newest_statement(books: Books) -> None:
    """Billing is still on for it; it isn't withheld, and a stranger with charges only is."""
    books.open("a", "lost")
    books.month(NOV)
    books.platform.execute("delete from platform.account where account_id = 'lost'")
    settle_terms(books.writer, terms("stranger"))
    books.charge("s", "stranger", at="2026-12-10T12:00:00Z")
    books.month(DEC)
    assert books.closing(DEC) == {"a": 2 * FEE, "lost": FEE}
    assert books.withheld() == [(DEC, "stranger", "ACCOUNT-UNKNOWN"), (DEC, "stranger", "ADMIN-UNKNOWN")]


WITHHELD: dict[str, tuple[str, str]] = {
    "ACCOUNT-REPEATED": (
        "insert into platform.account values ('a', 'again', 'DE', 'Europe/Berlin', 'EUR')",
        "delete from platform.account where name = 'again'",
    ),
    "TIME-ZONE-UNKNOWN": (
        "update platform.account set time_zone = 'Mars/Olympus' where account_id = 'a'",
        "update platform.account set time_zone = 'Europe/Berlin'",
    ),
    "CURRENCY-UNKNOWN": (
        "update platform.account set currency = 'EURO' where account_id = 'a'",
        "update platform.account set currency = 'EUR'",
    ),
    "CURRENCY-CHANGED": (
        "update platform.account set currency = 'USD' where account_id = 'a'",
        "update platform.account set currency = 'EUR'",
    ),
    "ADMIN-INACTIVE": (
        "update platform.app_user set active = false where user_id = 'fa-a'",
        "update platform.app_user set active = true",
    ),
    "ADMIN-UNKNOWN": (
        "update platform.app_user set user_id = 'other' where user_id = 'fa-a'",
        "update platform.app_user set user_id = 'fa-a' where user_id = 'other'",
    ),
    "ADMIN-OF-ANOTHER-ACCOUNT": (
        "update platform.app_user set account_id = 'b' where user_id = 'fa-a'",
        "update platform.app_user set account_id = 'a' where user_id = 'fa-a'",
    ),
    "CHARGE-DECIMALS": (
        "update platform.account_charge set net_amount = 10.001 where charge_id = 'c'",
        "update platform.account_charge set net_amount = 10 where charge_id = 'c'",
    ),
    "CHARGE-CURRENCY": (
        "update platform.account_charge set currency = 'USD' where charge_id = 'c'",
        "update platform.account_charge set currency = 'EUR' where charge_id = 'c'",
    ),
    "CHARGE-REPEATED": (
        "insert into platform.account_charge select * from platform.account_charge where charge_id = 'c'",
        "delete from platform.account_charge a using platform.account_charge b where a.ctid > b.ctid",
    ),
    "CHARGE-ID-TOO-LONG": (
        "update platform.account_charge set charge_id = repeat('c', 301) where charge_id = 'c'",
        "update platform.account_charge set charge_id = 'c' where charge_id like 'cc%'",
    ),
    "CHARGE-INCOMPLETE": (
        "update platform.account_charge set occurred_at = null where charge_id = 'c'",
        "update platform.account_charge set occurred_at = '2026-12-10T12:00:00Z' where charge_id = 'c'",
    ),
    "CHARGE-TOO-LARGE": (
        "update platform.account_charge set net_amount = 'NaN' where charge_id = 'c'",
        "update platform.account_charge set net_amount = 10 where charge_id = 'c'",
    ),
}


def test_each_fault_withholds_its_account_until_it_is_mended(books: Books) -> None:
    """The others are stated; the next run after the mending states the account with all that waited."""
    books.open("a", "b")
    books.month(NOV)
    books.charge("c", "a", "10.00", at="2026-12-10T12:00:00Z")
    books.bill(DEC)
    seen = {}
    for reason, (spoil, mend) in WITHHELD.items():
        books.platform.execute(spoil)
        run_id = books.assemble(DEC)["run_id"]
        with psycopg.connect(books.writer) as connection:
            found = connection.execute(
                f"select account_id, reason_id, detail from staging.account_run_{run_id}_withheld"
            )
            seen[reason] = found.fetchall()
        books.platform.execute(mend)
    assert {reason: {row[:2] for row in found} for reason, found in seen.items()} == {
        reason: {("a", reason)} | ({("a", "CHARGE-CURRENCY")} if reason == "CURRENCY-CHANGED" else set())
        for reason in WITHHELD
    }
    assert {detail for found in seen.values() for *_, detail in found} >= {
        "1 charge(s) with more decimals than EUR has (2), first c (10.001 + 0 EUR); fix them in the platform",
        "2 charges that share their charge_id with another, first c; give each charge an id of its own in the platform",
        "2 amount(s) in EUR, first A-202612-000001, but the account's currency is USD now; "
        "set it back to EUR in the platform until they are settled",
    }

    books.platform.execute(WITHHELD["CHARGE-DECIMALS"][0])
    first = books.state(DEC)
    assert (first["outcome"], first["statements"], first["withheld"]) == ("issued", 1, 1)
    assert books.withheld() == [(DEC, "a", "CHARGE-DECIMALS")]
    assert "At least 95% of the accounts can be stated" in books.warnings(first["run_id"])
    before = books.kept()
    assert books.state(DEC)["outcome"] == "unchanged"
    assert books.kept() == before

    books.platform.execute(WITHHELD["CHARGE-DECIMALS"][1])
    books.month(JAN)
    assert books.withheld() == []
    assert books.closing(DEC) == {"b": 2 * FEE}
    assert books.closing(JAN) == {"a": 3 * FEE + 10, "b": 3 * FEE}


def test_a_withheld_account_is_stated_by_a_re_run_after_the_mending(books: Books) -> None:
    """Its number follows on those given."""
    books.open("a", "b")
    books.bill(NOV)
    books.platform.execute(WITHHELD["ADMIN-INACTIVE"][0])
    assert books.state(NOV)["statements"] == 1
    books.platform.execute(WITHHELD["ADMIN-INACTIVE"][1])
    again = books.state(NOV)
    assert (again["outcome"], again["statements"]) == ("issued", 1)
    assert (books.statement("b", NOV), books.statement("a", NOV)) == ("S-202611-000001", "S-202611-000002")
    assert books.withheld() == []


def test_what_can_not_be_stated_yet_is_refused_and_leaves_no_trace(books: Books) -> None:
    """A month that has not come to its last day, and one whose connector statements are missing."""
    books.open("a")
    before = contents(books.warehouse.admin_url)
    with pytest.raises(BadInput, match="not reached its last day"):
        books.assemble(NOV, now=datetime(2026, 11, 29, 23, 59, tzinfo=UTC))
    with pytest.raises(NotReady, match="bill 2026-11 first: airflow dags test connector_statements"):
        books.assemble(NOV, now=datetime(2026, 11, 30, tzinfo=UTC))
    assert contents(books.warehouse.admin_url) == before


STEPS: tuple[Callable[[Services, int], Any], ...] = (validate, issue_account_statements, close_account_run)


def test_every_step_can_be_run_again(books: Books) -> None:
    """A task that is cleared does its work once more, to the same end; a settled run's steps write nothing."""
    books.open("a", "b")
    books.charge("c", "a", "10.00")
    books.bill(NOV)
    dead = books.assemble(NOV)["run_id"]
    run_id = books.assemble(NOV)["run_id"]
    assert {name.split("_")[2] for name in staging_tables(books.warehouse.admin_url) if "account_run" in name} == {
        str(run_id)
    }
    assert issue_account_statements(books.services, dead)["outcome"] == "superseded"
    for step in STEPS:
        step(books.services, run_id)
        before = books.kept()
        step(books.services, run_id)
        assert books.kept() == before
    assert books.closing(NOV) == {"a": FEE + 10, "b": FEE}
    for step in STEPS:
        step(books.services, run_id)
        assert books.kept() == before
    assert one(books.warehouse.admin_url, "select count(*) from billing.run where closed_at is not null") == 1


def test_a_try_whose_run_was_taken_over_stages_nothing(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform answers late; meanwhile the task's next try has begun."""
    books.open("a")
    books.bill(NOV)
    stage_charges = assembly._stage_charges

    def overtaken(*arguments: Any) -> int:
        monkeypatch.undo()
        staged = stage_charges(*arguments)
        books.assemble(NOV)
        return staged

    monkeypatch.setattr(assembly, "_stage_charges", overtaken)
    with pytest.raises((StaleTry, TransientError)):
        books.assemble(NOV)
    assert books.closing(NOV) == {}


def test_a_part_that_fails_beside_the_others_fails_the_run(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """The figures are staged in a session of their own; without them nothing is staged, and a new try is as good."""

    def break_off(*_args: Any) -> None:
        raise TransientError("the connection is lost", where="warehouse")

    books.open("a")
    books.charge("c-1", "a")
    books.bill(NOV)
    with monkeypatch.context() as broken:
        broken.setattr(assembly, "_stage_figures", break_off)
        with pytest.raises(TransientError, match="the connection is lost"):
            books.assemble(NOV)
    ((run_id, state, failure),) = rows(
        books.warehouse.admin_url,
        "select run_id, state, failure from billing.run where dag_id = 'account_statements'",
    )
    assert (state, "the connection is lost" in failure) == ("failed", True)
    for step in (validate, issue_account_statements):
        with pytest.raises(NotReady, match="not staged"):
            step(books.services, run_id)
    assert books.state(NOV)["statements"] == 1


def test_charges_are_counted_as_of_the_moment_of_their_reading(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that comes in meanwhile is neither listed nor counted; a count that differs for all that stops the run."""
    count = PostgresSource._counted_charges

    def count_late(self: PostgresSource, moment: str, asked: dict[str, str]) -> Any:
        books.charge("c-late", "a")
        return count(self, moment, asked)

    def miscount(self: PostgresSource, moment: str, asked: dict[str, str]) -> Any:
        return count(self, moment, asked).assign(charges=3)

    books.open("a")
    books.charge("c-1", "a")
    books.bill(NOV)
    with monkeypatch.context() as late:
        late.setattr(PostgresSource, "_counted_charges", count_late)
        run_id = books.assemble(NOV)["run_id"]
    assert validate(books.services, run_id)["warnings"] == 0
    assert issue_account_statements(books.services, run_id)["items"] == 3  # c-1, the opening and the month's fee
    monkeypatch.setattr(PostgresSource, "_counted_charges", miscount)
    books.bill(DEC)
    with pytest.raises(SetFault, match="the source reports 3 charges, 2 arrived"):
        books.assemble(DEC)


def test_what_a_crash_of_the_database_has_emptied_is_noticed(books: Books) -> None:
    """Unlogged tables are empty afterwards: nothing is validated or published as if there were nothing to state."""
    books.open("a")
    books.bill(NOV)
    run_id = books.assemble(NOV)["run_id"]
    names = [name for name in staging_tables(books.warehouse.admin_url) if name.startswith(f"account_run_{run_id}")]
    persistence = "select string_agg(distinct relpersistence::text, '') from pg_class where relname = any(%s)"
    assert one(books.warehouse.admin_url, persistence, names) == "u"
    with psycopg.connect(books.warehouse.admin_url) as connection:
        connection.execute(f"truncate {', '.join(f'staging.{name}' for name in names)}")
    before = books.kept()
    for step in (validate, issue_account_statements):
        with pytest.raises(NotReady, match="emptied by a crash"):
            step(books.services, run_id)
    assert books.kept() == before
    assert books.state(NOV)["statements"] == 1


def test_two_runs_at_once_state_each_account_once(books: Books) -> None:
    """One publishes; the other is superseded, or finds nothing left."""
    names = [f"account-{n}" for n in range(6)]
    books.open(*names)
    books.bill(NOV)
    for period in (NOV, DEC):
        if period == DEC:
            books.bill(DEC)
        run_ids = [books.assemble(period, dag_run=name)["run_id"] for name in ("one", "two")]
        with ThreadPoolExecutor(2) as pool:
            ended = list(pool.map(lambda run_id: issue_account_statements(books.services, run_id), run_ids))
        assert sorted(one["statements"] for one in ended) == [0, 6]
        assert {one["outcome"] for one in ended} <= {"issued", "unchanged", "superseded"}
        for run_id in run_ids:
            close_account_run(books.services, run_id)
        assert len(books.closing(period)) == 6


TAMPERINGS = {
    "update {item} set net_minor = 1, total_minor = 1 where item_kind = 'connector_statement'": "from the record",
    "update {item} set currency = 'USD' where item_kind = 'charge'": "from the record: charge new",
    "update {item} set item_id = 'paid-outside-1-undone', net_minor = -net_minor, total_minor = -total_minor "
    "where item_id like 'settled/%'": "from the record: paid_outside paid-outside-1-undone",
    "update {item} set item_id = 'pi_foreign' where item_kind = 'payment'": "from the record: payment pi_foreign",
    "update {item} set account_id = 'b' where item_kind = 'payment'": "from the record: payment",
    "delete from {item} where item_kind = 'connector_statement'": "statements left out: A-202612",
    "update {item} set total_minor = 1 where item_kind = 'opening_balance'": "isn't the last closing balance: a",
    "delete from {item} where item_kind = 'opening_balance'": "isn't the last closing balance: a",
    "update {item} set item_id = 'listed' where item_kind = 'charge'": "earlier statements list",
    "update {item} set total_minor = -1 where item_id like 'settled/%'": "settle differently: paid_outside settled",
}


def test_staged_items_that_the_record_contradicts_are_refused(books: Books) -> None:
    """The owner's function looks for itself; nothing is published, and a new assembly makes it good."""
    books.open("a", "b")
    books.charge("listed", "a")
    books.month(NOV)
    books.pay(books.statement("a", NOV, "connector"))
    books.charge("new", "a", at="2026-12-10T12:00:00Z")
    books.settle_charge("listed", "4.00")
    books.bill(DEC)
    before = books.kept()
    for tampering, says in TAMPERINGS.items():
        run_id = books.assemble(DEC)["run_id"]
        rows(
            books.warehouse.admin_url,
            tampering.format(item=f"staging.account_run_{run_id}_item") + " returning account_id",
        )
        with pytest.raises(TransientError, match=says):
            issue_account_statements(books.services, run_id)
        assert books.kept() == before
    assert books.state(DEC)["statements"] == 2


def test_files_are_read_as_they_lie(books: Books, tmp_path: Path) -> None:
    """Accounts, users and charges of a folder come to the same statements; their copies go at the close."""
    books.open("a")
    books.charge("c", "a", "10.123456", "5.00", currency="KWD")
    books.charge("d", "a", "10.25", "5.00")
    folder = tmp_path / "files"
    folder.mkdir()
    for table in ("account", "app_user", "charger", "connector", "account_charge"):
        query = f"copy platform.{table} to stdout (format csv, header)"
        with psycopg.connect(books.platform.url) as connection, connection.cursor().copy(query) as copy:
            text = b"".join(bytes(part) for part in copy)
        (folder / f"{table}.csv").write_bytes(text.replace(b"+00", b"Z"))
    books.bill(NOV)
    books.platform.execute("drop schema platform cascade")
    books.services = Services(str(folder), books.writer, str(tmp_path / "evidence"))
    run_id = books.assemble(NOV)["run_id"]
    assert {name for name in staging_tables(books.warehouse.admin_url) if name.startswith("platform_")} == {
        f"platform_{run_id}_{table}" for table in ("account", "app_user", "account_charge")
    }
    found = rows(books.writer, f"select detail from staging.account_run_{run_id}_withheld")
    assert found == [
        (
            "1 charge(s) in another currency than the account's EUR, first c (10.123456 + 0 KWD); "
            "fix them in the platform",
        )
    ]
    lines = (folder / "account_charge.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "account_charge.csv").write_text("".join(x for x in lines if "KWD" not in x), encoding="utf-8")
    books.state(NOV)
    assert [name for name in staging_tables(books.warehouse.admin_url) if not name.startswith("run_")] == []
    assert books.closing(NOV) == {"a": FEE + Decimal("5.25")}


def test_what_validation_stops_names_figure_and_account(books: Books, caplog: pytest.LogCaptureFixture) -> None:
    """A lost charge agrees with our own record but not with the platform's count."""
    books.open("a")
    books.charge("c", "a", "10.00")
    books.bill(NOV)
    run_id = books.assemble(NOV)["run_id"]
    rows(
        books.warehouse.admin_url,
        f"delete from staging.account_run_{run_id}_item where item_kind = 'charge' returning item_id",
    )
    with pytest.raises(SetFault, match="as many charges are listed as the platform has"):
        validate(books.services, run_id)
    assert (
        "a: Each account: the charges listed add up to what the platform reports: 0 minor units, but 1000"
        in caplog.text
    )
