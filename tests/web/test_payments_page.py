"""The pages Payments and Breaks: the rows of finance.payments and finance.payment_breaks, found and paged."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from evbilling.read_models.payment_list import PaymentFilter, list_payments
from tests.support.action_pages import ActionPages, words
from tests.support.web import PREFIX

pytestmark = [pytest.mark.airflow, pytest.mark.postgres]


def read(pages: ActionPages, path: str = "/payments", **query: str) -> Any:
    return pages.opened("viewer").get(f"{PREFIX}{path}", params=query)


def listed(pages: ActionPages, **query: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(read(pages, "/payments.csv", **query).content.decode("utf-8-sig"))))


@pytest.fixture
def paid(pages: ActionPages) -> str:
    """A payment by the gateway, and one marked as paid and undone; the reference of that."""
    (statement,) = pages.world.rows(
        "select statement_id from finance.statements where balance_due > 1 and kind = 'connector' order by 1 limit 1"
    )[0]
    with psycopg.connect(pages.world.services.warehouse_url) as connection:
        connection.execute(
            """select billing.record_paid_outside('one', %s, 100, 'EUR', '2026-11-20', 'RF18 5390', 'ann', 'bank')""",
            (statement,),
        )
        connection.execute("select billing.reverse_paid_outside('two', %s, null, 'bob', 'mistake')", (statement,))
    return "RF18 5390"


def test_the_list_has_every_payment(pages: ActionPages, paid: str) -> None:
    """As finance.payments, to the amount; by method; by exact reference, payment id and month; page by page."""
    rows = listed(pages)
    view = "select payment_id, amount, paid_on, recorded_by, reference from finance.payments"
    assert {(row["Payment"], row["Amount"], row["Paid on"], row["Recorded by"], row["Reference"]) for row in rows} == {
        (payment, f"{amount:f}", str(day), who, reference or "")
        for payment, amount, day, who, reference in pages.world.rows(view)
    }
    outside = [row for row in rows if row["Method"] == "Other means"]
    assert listed(pages, method="outside") == outside
    assert listed(pages, reference=paid) == outside
    assert listed(pages, reference=paid[:4]) == []
    gateway = next(row for row in rows if row["Method"] == "Payment gateway")
    assert listed(pages, reference=gateway["Payment"]) == [gateway]
    assert listed(pages, period=f"{datetime.fromisoformat(rows[0]['Recorded at (UTC)']):%Y-%m}") == rows
    assert listed(pages, period="2019-01") == []
    said = words(read(pages).text)
    assert paid in said
    assert "went back" in said
    with psycopg.connect(pages.world.services.warehouse_url) as connection:
        found, before = [], None
        while True:
            page = list_payments(connection, PaymentFilter(), before=before, most=1)
            found += [one.payment_id for one in page.rows]
            before = page.rows[-1].key
            if not page.has_later:
                break
    assert found == [row["Payment"] for row in rows]
    assert read(pages, before="never").status_code in {400, 422}


def test_a_break_says_what_to_do(pages: ActionPages) -> None:
    """Open ones first, with both amounts and a link to the statement; closed ones only where all are asked for."""
    (statement,) = pages.world.rows("select statement_id from finance.statements order by 1 limit 1")[0]
    with psycopg.connect(pages.world.services.warehouse_url) as connection:
        for kind, gone in (("duplicate", None), ("refunded", datetime(2026, 11, 2, tzinfo=UTC))):
            connection.execute(
                """insert into billing.payment_break (kind, gateway_payment_id, statement_id, currency, recorded_minor,
                                                      gateway_minor, detail, gone_at)
                   values (%s, %s, %s, 'EUR', 0, 595, 'both; refund this one at the gateway', %s)""",
                (kind, f"pi_{kind}", statement, gone),
            )
    page = read(pages, "/payments/breaks")
    assert f"{PREFIX}/statements/{statement}" in page.text
    said = words(page.text)
    assert "Charged twice pi_duplicate" in said
    assert "0.00 EUR 5.95 EUR refund this one at the gateway" in said
    assert "pi_refunded" not in said
    assert "pi_refunded" in words(read(pages, "/payments/breaks", state="all").text)
    assert "1 open break" in words(read(pages).text)
