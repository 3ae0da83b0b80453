"""What one statement says, read from a real warehouse: each kind, with what was collected, corrected and excluded."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evbilling.documents import statement_pdf
from evbilling.errors import NotReady
from evbilling.payments.actions import MarkRequest, UndoRequest, mark_statements, reverse_payment
from evbilling.read_models.statement import lines
from evbilling.read_models.statement.reading import show_statement
from evbilling.read_models.statement.view import StatementView
from evbilling.services import Services
from evbilling_local.stack import EmbeddedPostgres
from tests.support.books import Books
from tests.support.corrections import CorrectedMonth
from tests.support.month import PERIOD, Platform, bill, settle_terms, terms
from tests.support.payments import ASKS_CUSTOMER, SOFT, VISA, payment_world
from tests.support.pdf import words

pytestmark = pytest.mark.postgres


def show(services: Services, statement_id: str, **options: Any) -> StatementView:
    """A statement as the pages read it: as the writer, in one transaction."""
    with services.warehouse() as connection:
        return show_statement(connection, statement_id, **options)


def test_a_connector_statement_says_all_it_was_billed_by(platform_db: str, warehouse_db: Any, tmp_path: Path) -> None:
    """Header, lines by charger, what each rule excluded, the run and the audit; amounts add up to the cent."""
    platform = Platform(platform_db)
    platform.plain_account("acme", connectors=0)
    platform.station("b-10", "acme", connectors=2)
    platform.connector("b-10", 3, "DC")
    platform.station("b-2", "acme")
    platform.station("closed", "acme", "Closed", connectors=3)
    platform.station("planned", "acme", connectors=2, status="planned")
    platform.save()
    settle_terms(
        warehouse_db.writer_url,
        terms("acme", "5.00", fee_per_dc_connector=Decimal("7.50"), exclude_closed=True, tax_rate=Decimal("0.081")),
    )
    services = Services(platform_db, warehouse_db.writer_url, str(tmp_path))
    billed = bill(services)
    view = show(services, "A-202611-000001")

    header = view.header
    assert (header.kind, header.type_label, header.account_name) == ("connector", "Account Chargers", "Name of acme")
    assert (header.period, header.statement_date) == ("2026-11", date(2026, 11, 1))
    assert header.count_instant == datetime(2026, 10, 31, 23, tzinfo=UTC)
    assert (header.time_zone, header.financial_admin_id) == ("Europe/Berlin", "fa-acme")
    assert (header.net, header.tax, header.total) == (Decimal("22.50"), Decimal("1.82"), Decimal("24.32"))
    assert (header.paid, header.balance, header.status) == (Decimal("0.00"), Decimal("24.32"), "Issued")
    assert (header.ac_count, header.dc_count, header.connector_count) == (3, 1, 4)
    assert header.terms is not None
    assert (header.terms.fee, header.terms.dc_fee, header.terms.has_dc_fee) == (Decimal("5.00"), Decimal("7.50"), True)
    assert (header.terms.exclude_closed, header.terms.exclude_private, header.terms.set_by) == (True, False, "ann")

    assert [c.charger_id for c in view.chargers] == sorted(["b-10", "b-2"])
    ten = next(c for c in view.chargers if c.charger_id == "b-10")
    assert [(x.connector_id, x.power_type, str(x.price)) for x in ten.lines] == [
        (1, "AC", "5.00"),
        (2, "AC", "5.00"),
        (3, "DC", "7.50"),
    ]
    assert (ten.ac_count, ten.dc_count, ten.subtotal) == (2, 1, Decimal("17.50"))
    assert sum(c.subtotal for c in view.chargers) == header.net
    assert (view.charger_count, view.has_all_chargers) == (2, True)

    assert [(e.rule_id, e.connector_count) for e in view.excluded] == [("NOT-IN-SERVICE", 2), ("SCOPE-CLOSED", 3)]
    assert "excludes closed chargers" in view.excluded[1].says
    assert (view.excluded_count, view.is_excluded_counted) == (5, True)
    quick = show(services, "A-202611-000001", count_excluded_up_to=3)
    assert (quick.excluded, quick.is_excluded_counted) == ((), False)
    assert show(services, "A-202611-000001", count_excluded_up_to=4).excluded == view.excluded

    assert (view.run.run_id, view.run.dag_id, view.run.state) == (billed.run_id, "connector_statements", "issued")
    assert view.run.airflow_run_id == "manual__2026-11"
    assert view.run.expectation_count > 10
    assert (view.run.failed_critical, view.run.has_validation_page) == (0, True)
    assert [(e.actor, e.action) for e in view.audit] == [("ann", "issue_connector_statements")]
    assert (view.payments, view.attempts, view.plan, view.corrections) == ((), (), None, ())


def test_chargers_and_excluded_come_in_pages(
    platform_db: str, warehouse_db: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page by page everything comes once, in one order; the counts are of all."""
    platform = Platform(platform_db)
    platform.plain_account("acme", connectors=0)
    for number in range(25):
        platform.station(f"c{number:02d}", "acme", connectors=2)
        platform.connector(f"c{number:02d}", 3, status="planned")
    platform.save()
    settle_terms(warehouse_db.writer_url, terms("acme"))
    services = Services(platform_db, warehouse_db.writer_url, str(tmp_path))
    bill(services)
    view = show(services, "A-202611-000001", chargers=10)
    assert (len(view.chargers), view.charger_count, view.has_all_chargers) == (10, 25, False)

    monkeypatch.setattr(lines, "MOST_COUNTED", 20)
    with reading(services) as cursor:
        assert lines.charger_count(cursor, view.header) == 21, "more than are counted"
        seen, after = [], None
        while page := lines.charger_page(cursor, view.header, after=after, most=10):
            seen += [c.charger_id for c in page]
            after = seen[-1]
        assert seen == [f"c{n:02d}" for n in range(25)]
        excluded: list[tuple[str, int]] = []
        while left_out := lines.excluded_page(cursor, view.header, after=excluded[-1] if excluded else None, most=7):
            excluded += [(e.charger_id, e.connector_id) for e in left_out]
        assert excluded == [(f"c{n:02d}", 3) for n in range(25)]


def test_what_was_tried_and_paid(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """Attempts with their reasons in plain words, the plan, payments by the gateway and by other means."""
    with payment_world(postgres, tmp_path, 4, methods=[VISA, SOFT, ASKS_CUSTOMER, None]) as world:
        world.charge()
        paid, soft, asks, nothing = (show(world.services, id_) for id_ in world.ids)
        assert (paid.header.status, paid.header.balance) == ("Paid", Decimal("0.00"))
        (payment,) = paid.payments
        assert (payment.paid_by, payment.amount) == ("gateway", paid.header.total)
        assert payment.payment_id == world.intent_of(world.ids[0])
        (attempt,) = paid.attempts
        assert (attempt.outcome, attempt.says, attempt.decline_code) == ("succeeded", "The charge succeeded.", None)
        assert paid.plan is None

        (attempt,) = soft.attempts
        assert attempt.decline_code == "insufficient_funds"
        assert "wasn't enough money on the card" in attempt.says
        assert soft.plan is not None
        assert soft.plan.planned_at is not None or soft.plan.reason_id == "TO-BE-PLANNED"
        assert "The card has expired" in asks.attempts[0].says
        assert "No payment method is stored" in nothing.attempts[0].says

        mark_statements(
            world.services,
            MarkRequest("r1", "ann", "sent a cheque", (soft.header.statement_id,), date(2026, 11, 9), "cheque 7"),
            date(2026, 12, 5),
        )
        soft = show(world.services, soft.header.statement_id)
        (payment,) = soft.payments
        assert (payment.paid_by, payment.reference, payment.paid_on) == ("outside", "cheque 7", date(2026, 11, 9))
        assert (soft.header.status, soft.plan) == ("Paid manually", None)
        assert ("ann", "mark_as_paid", "sent a cheque") in [(e.actor, e.action, e.reason) for e in soft.audit]

        reverse_payment(world.services, UndoRequest("u1", "bob", "wrong statement", soft.header.statement_id))
        soft = show(world.services, soft.header.statement_id)
        marked, undone = soft.payments
        assert (marked.is_undo, marked.reversed_at is None, undone.is_undo) == (False, False, True)
        assert (marked.amount + undone.amount, soft.header.paid) == (0, 0)
        assert (soft.header.status, soft.header.balance) == ("Billing failure", soft.header.total)
        assert soft.plan is not None, "it is to be collected again"


def test_a_correction_and_what_it_corrects(world: CorrectedMonth) -> None:
    """The original lists its corrections with their lines; the correction says what it corrects, and by how much."""
    world.platform.execute(
        "update platform.connector set status = 'removed' where charger_id = 'a-1' and connector_id = 3"
    )
    assert world.correct()["corrections"] == 1
    original = show(world.services, "A-202611-000001")
    (correction,) = original.corrections
    assert (correction.statement_id, correction.reason, correction.line_count) == (
        "C-202611-000001",
        "reported late",
        1,
    )
    assert (correction.net, correction.tax, correction.total) == (Decimal("-5.00"), Decimal("-0.95"), Decimal("-5.95"))
    assert original.header.net == Decimal("15.00"), "what was issued stays"
    assert original.header.balance == Decimal("11.90")

    view = show(world.services, "C-202611-000001")
    assert (view.header.type_label, view.header.corrects) == ("Correction", "A-202611-000001")
    assert (view.header.paid, view.header.balance, view.header.connector_count) == (None, None, None)
    assert view.original is not None
    assert (view.original.statement_id, view.original.statement_date) == ("A-202611-000001", date(2026, 11, 1))
    (line,) = view.corrected
    assert (line.charger_id, line.connector_id, line.before, line.after) == ("a-1", 3, Decimal("5.00"), None)
    assert (line.difference, line.why) == (Decimal("-5.00"), "The connector is planned or removed")
    assert (view.corrected_count, view.reason) == (1, "reported late")
    for document in (view, original):
        assert "reported late" not in words(statement_pdf(document)), "the reason is finance's"
    assert view.run.dag_id == "correct_statements"


def test_an_account_statement_lists_items_by_kind(books: Books) -> None:
    """Totals by kind add up to the closing balance; what is listed says on which account statement."""
    books.open("acme")
    books.charge("c1", "acme", "10.00", settled="4.00")
    books.charge("c2", "acme", "2.50")
    books.bill("2026-11")
    statement = books.statement("acme", "2026-11", "connector")
    books.pay(statement)
    books.state("2026-11")
    view = show(books.services, books.statement("acme", "2026-11"))
    assert (view.header.kind, view.header.type_label) == ("account", "Account Statement")
    assert view.header.statement_date == date(2026, 11, 30)
    assert [(t.kind, t.label, t.item_count, str(t.moves)) for t in view.item_totals] == [
        ("opening_balance", "Opening balance", 1, "0.00"),
        ("connector_statement", "Connector statements", 1, "5.95"),
        ("charge", "Other charges", 2, "8.50"),
        ("payment", "Payments", 1, "-5.95"),
    ]
    assert sum(t.moves for t in view.item_totals) == view.header.total == Decimal("8.50")
    assert view.opening == Decimal(0)
    assert [(i.kind, i.item_id) for i in view.items][:3] == [
        ("opening_balance", "first-of-acme"),
        ("connector_statement", statement),
        ("charge", "c1"),
    ]
    assert [str(i.settled) for i in view.items if i.kind == "charge"] == ["4.00", "0.00"]
    assert [(i.event, i.concerns) for i in view.items] == [
        ("opening_balance", None),
        ("connector_statement", None),
        ("charge", None),
        ("charge", None),
        ("payment", statement),
    ]
    assert (view.item_count, len(show(books.services, view.header.statement_id, items=2).items)) == (5, 2)
    assert [e.action for e in view.audit] == ["issue_account_statements"]

    listed = show(books.services, statement).listed_on
    assert [ref.statement_id for ref in listed] == [view.header.statement_id]


def test_an_unknown_id_is_said(warehouse_db: Any) -> None:
    """The message says what is wrong and what to do, whatever the id."""
    services = Services("", warehouse_db.writer_url, "")
    for statement_id in ("A-209901-000001", "", "x" * 5000, "a' or 1=1"):
        with pytest.raises(NotReady, match="there is no statement") as raised:
            show(services, statement_id)
        assert raised.value.fix
        assert len(str(raised.value)) < 400


def test_an_archived_period_has_no_lines_and_says_so(world: CorrectedMonth, tmp_path: Path) -> None:
    """Lines and exclusions are gone; amounts, payments and the rest stay."""
    with psycopg.connect(world.admin_url) as connection:
        connection.execute(
            """insert into billing.archived_period (period, store, files, decisions, billed, unit_price_minor, digest,
                                                    actor, dropped_at)
               values (%s, 'somewhere', '[]', 6, 6, 0, 0, 'ann', now())""",
            (str(PERIOD),),
        )
        connection.execute("alter table billing.connector_decision detach partition billing.connector_decision_2026_11")
    view = show(world.services, "A-202611-000001")
    assert view.is_archived
    assert (view.chargers, view.charger_count, view.excluded) == ((), 0, ())
    assert (view.header.net, view.header.connector_count) == (Decimal("15.00"), 3)


@pytest.fixture
def world(platform_db: str, warehouse_db: Any, tmp_path: Path) -> CorrectedMonth:
    return CorrectedMonth(platform_db, warehouse_db, str(tmp_path / "evidence"))


@pytest.fixture
def books(platform_db: str, warehouse_db: Any, tmp_path: Path) -> Books:
    return Books(platform_db, warehouse_db, tmp_path)


@contextmanager
def reading(services: Services) -> Generator[psycopg.Connection[Any]]:
    with services.warehouse() as connection:
        yield connection
