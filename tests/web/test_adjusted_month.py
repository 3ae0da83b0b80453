"""One statement corrected, one credited, one refunded, one written off, one charged back, from the pages: all agree."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from evbilling.account_statements import assemble, close_run, issue_statements, validate
from evbilling.run_steps import RunRequest
from evbilling_local.stack import EmbeddedPostgres
from tests.support.action_pages import ActionPages, words
from tests.support.mail import body, post_office, send
from tests.support.month import PERIOD
from tests.support.payments import SOFT, VISA, PaymentWorld, check_standings, payment_world
from tests.support.reconciling import look

pytestmark = [pytest.mark.airflow, pytest.mark.postgres]

STATEMENTS = """
    select paid_amount, balance_due, written_off_amount, status::text from finance.statements
    where period = '2026-11' and kind = 'connector' order by statement_id"""
# Of each statement what the ledger has in accounts other than revenue and tax, debits above zero.
LEDGER = """
    select statement_id, account, sum(amount)
    from (select statement_id, debit_account as account, amount from finance.ledger
          union all select statement_id, credit_account, -amount from finance.ledger) e
    where account not in ('revenue', 'tax') group by 1, 2 having sum(amount) <> 0 order by 1, 2"""
CLOSING = """
    select s.account_id, s.total_amount,
           (select sum(i.total_amount - i.settled_amount) from finance.account_statement_items i
            where i.statement_id = s.statement_id)
    from finance.statements s where s.kind = 'account' order by 1"""
# What the customer reads of it, by statement, correction and account statement.
SAYS = (
    ("A-202611-000001", "Es besteht ein Saldo von 5,95 € zu Ihren Gunsten."),
    ("A-202611-000002", "Es besteht ein Saldo von 2,00 € zu Ihren Gunsten."),
    ("A-202611-000003", "5,00 € sind bezahlt, 3,33 € sind noch offen."),
    ("A-202611-000004", "Es ist nichts zu bezahlen."),
    ("A-202611-000005", "Es ist nichts zu bezahlen."),
    ("C-202611-000001", "Saldo von A-202611-000001: -5,95 €"),
    ("C-202611-000002", "Sorry for the outage."),
    ("S-202611-000001", "Endsaldo: -5,95 €"),
    ("S-202611-000002", "Endsaldo: -2,00 €"),
    ("S-202611-000003", "Endsaldo: 3,33 €"),
    ("S-202611-000004", "Endsaldo: 0,00 €"),
    ("S-202611-000005", "Endsaldo: 0,00 €"),
)


@pytest.fixture
def pages(postgres: EmbeddedPostgres, tmp_path: Path, serve: Any) -> Iterator[ActionPages]:
    """Five statements of 5.95, 7.14, 8.33, 9.52 and 10.71 EUR: the fourth was declined, the others are paid."""
    with payment_world(postgres, tmp_path, 5, methods=[VISA, VISA, VISA, SOFT, VISA]) as world:
        world.charge()
        yield serve(world)


def test_ledger_gateway_account_statements_checks_and_mails_agree(pages: ActionPages) -> None:
    """Each by its button; then each of the five says the same of every statement."""
    world = pages.world
    corrected, credited, refunded, written_off, charged_back = world.ids
    world.platform.execute("delete from platform.connector where charger_id in ('a00000-1', 'a00003-1')")
    assert "Done." in pages.do("correct", corrected, reason="closed in September")
    sorry = {"reason": "outage", "customer_text": "Sorry for the outage."}
    assert "Done." in pages.do("adjust-statement", credited, kind="goodwill", amount="2.00", **sorry)
    again = {"reason": "agreed", "amount": "3.33", "debt": "due_again"}
    assert "Done." in pages.do("refund-payment", refunded, **again)
    assert "Done." in pages.do("write-off", written_off, reason="insolvent")
    assert "undo the write-off first" in words(pages.ask("correct", written_off).text)
    world.sandbox.dispute(world.intent_of(charged_back), "lost")
    assert [found.kind for found in look(world)] == ["dispute_lost"]
    assert "Done." in pages.do("acknowledge-refund", charged_back, reason="lost", debt="credited")

    none = Decimal("0.00")
    assert world.rows(STATEMENTS) == [
        (Decimal("5.95"), Decimal("-5.95"), none, "Paid"),
        (Decimal("7.14"), Decimal("-2.00"), none, "Paid"),
        (Decimal("5.00"), Decimal("3.33"), none, "Partly paid"),
        (none, none, Decimal("9.52"), "Billing failure"),
        (none, none, none, "Paid"),
    ]
    assert world.rows(LEDGER) == [
        (corrected, "cash", Decimal("5.95")),
        (corrected, "receivable", Decimal("-5.95")),
        (credited, "cash", Decimal("7.14")),
        (credited, "receivable", Decimal("-2.00")),
        (refunded, "cash", Decimal("5.00")),
        (refunded, "receivable", Decimal("3.33")),
        (written_off, "written_off", Decimal("9.52")),
        (charged_back, "goodwill", Decimal("10.71")),
    ]
    assert look(world) == []
    assert at_gateway(world) == {corrected: 595, credited: 714, refunded: 500}

    state_accounts(world)
    closing = {"a00000": "-5.95", "a00001": "-2.00", "a00002": "3.33", "a00003": "0.00", "a00004": "0.00"}
    assert world.rows(CLOSING) == [(account, Decimal(due), Decimal(due)) for account, due in closing.items()]
    assert world.tie_out() == []
    assert world.one("select count(*) from finance.tie_out where not is_ok") == 0
    check_standings(world.admin_url)

    with post_office() as office:
        send(world, office)
    mails = {
        str(message["Subject"]): body(message, "plain").replace("\N{NO-BREAK SPACE}", " ") for _, message in office.kept
    }
    for number, line in SAYS:
        (text,) = [text for subject, text in mails.items() if number in subject.partition(" zu ")[0]]
        assert line in text.splitlines(), (number, text)
    assert len(mails) == len(SAYS)


def at_gateway(world: PaymentWorld) -> dict[str, int]:
    """What the gateway still has of each statement, by its own list."""
    with world.payment_services() as payments:
        found = payments.gateway.list_payments(world.one("select now() - interval '1 day'"))
        kept = {
            payment.metadata["evbilling_statement"]: payment.amount_minor
            - payment.refunded_minor
            - (payment.disputed_minor if payment.dispute == "lost" else 0)
            for payment in found
            if payment.outcome == "succeeded"
        }
    return {statement: minor for statement, minor in sorted(kept.items()) if minor}


def state_accounts(world: PaymentWorld) -> None:
    """The month's end: an account statement each."""
    request = RunRequest(PERIOD, "account_statements", "end", "ann")
    run_id = assemble(world.services, request, now=world.one("select now()"))["run_id"]
    validate(world.services, run_id)
    issue_statements(world.services, run_id)
    assert close_run(world.services, run_id)["not_ok"] == []
