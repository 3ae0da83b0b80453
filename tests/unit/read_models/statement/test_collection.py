"""What a customer is told about a statement's balance: each sentence only where it is true, and one for every case."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from babel.messages.extract import extract_from_file

from evbilling.languages import words_of
from evbilling.payments.retries import DECLINES
from evbilling.read_models.statement import (
    ADVICE,
    CASES,
    OTHERWISE,
    PARTLY,
    WHAT,
    Collection,
    Situation,
    Standing,
    collection,
    sentences,
    standing_of,
)
from tests.support.catalogues import KEYWORDS

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
DAY = timedelta(days=1)
DUE = Collection(
    statement_id="A-202611-000042",
    account_id="acme",
    financial_admin_id="fa-acme",
    period="2026-11",
    time_zone="Europe/Berlin",
    currency="EUR",
    issued_at=NOW,
    balance=Decimal("53.55"),
    paid=Decimal(0),
    last_outcome=None,
    decline_code=None,
    last_method=None,
    was_refused=False,
    planned_at=None,
    has_unaccounted=False,
    is_on_hold=False,
    as_of=NOW,
)
DECLINED: dict[str, Any] = {"last_outcome": "declined", "decline_code": "expired_card", "last_method": "pm_1"}
OLD: dict[str, Any] = {"issued_at": NOW - 70 * DAY, "period": "2026-09"}


def told(standing: Standing) -> str:
    return " ".join(sentences(standing, words_of("en"), lambda amount: f"€{amount}", lambda at: f"{at:%d %b}"))


@pytest.mark.parametrize(
    ("changes", "method", "are_sent", "said"),
    [
        ({}, "pm_1", True, "€53.55 will be charged to your stored payment method. You don't need to do anything."),
        ({}, "pm_1", False, "€53.55 will be charged to your stored payment method. You don't need to do anything."),
        ({"is_on_hold": True}, "pm_1", True, "€53.55 is due."),
        (OLD, "pm_1", True, "€53.55 is due."),
        (OLD | {"planned_at": NOW}, "pm_1", True, "€53.55 will be charged to your stored payment method. You don't"),
        (OLD | {"planned_at": NOW}, "pm_1", False, "€53.55 is due."),
        (
            {},
            None,
            True,
            "No payment method is stored for you, so €53.55 can't be charged. Please add a payment method.",
        ),
        (DECLINED, None, True, "No payment method is stored for you, so €53.55 can't be charged. Please add a payment"),
        ({"last_outcome": "pending"}, None, True, "A charge of €53.55 to your payment method is under way. You don't"),
        ({"last_outcome": "unknown"}, "pm_1", True, "We are waiting for the payment provider to confirm a charge of"),
        ({"has_unaccounted": True}, "pm_1", True, "We have received a payment that we are still checking. Until then"),
        (
            {"was_refused": True},
            "pm_1",
            True,
            "€53.55 could not be charged for a technical reason on our side. You don't",
        ),
        (
            DECLINED,
            "pm_1",
            True,
            "We could not collect €53.55. The card has expired. Please enter its new expiry date, or add another "
            "payment method.",
        ),
        (
            DECLINED | {"decline_code": "insufficient_funds", "planned_at": NOW + 3 * DAY},
            "pm_1",
            True,
            "We could not collect €53.55. There wasn't enough money on the card. Please top it up, or add another "
            "payment method. We will try again automatically, on 04 Dec at the latest.",
        ),
        # F4: their DAG is paused.
        (
            DECLINED | {"decline_code": "try_again_later", "planned_at": NOW + 3 * DAY},
            "pm_1",
            False,
            "We could not collect €53.55. The bank or its network couldn't handle the charge just then. Please add "
            "another payment method.",
        ),
        (
            DECLINED | {"decline_code": "try_again_later", "planned_at": NOW + 3 * DAY},
            "pm_1",
            True,
            "We could not collect €53.55. The bank or its network couldn't handle the charge just then. We will try "
            "again automatically, on 04 Dec at the latest.",
        ),
        # A plan whose day has passed is carried out by the next daily run.
        (
            DECLINED | {"decline_code": "do_not_honor", "planned_at": NOW - 3 * DAY},
            "pm_1",
            True,
            "We could not collect €53.55. The bank declined the charge without giving a reason. Please ask your bank, "
            "or add another payment method. We will try again automatically, on 01 Dec at the latest.",
        ),
        (DECLINED, "pm_2", True, "€53.55 will be charged to your new payment method. You don't need to do anything."),
        (DECLINED, "pm_2", False, "€53.55 is due."),
        ({"paid": Decimal(10)} | OLD, "pm_1", False, "€10 is paid; €53.55 is still due."),
        ({"balance": Decimal(0), "paid": Decimal("53.55")}, None, True, "The statement is paid. Thank you."),
        ({"balance": Decimal(0)} | DECLINED, None, True, "Nothing is due."),
        ({"balance": Decimal("-5.95"), "paid": Decimal("53.55")}, "pm_1", True, "€5.95 is in your favour."),
    ],
)
def test_a_customer_is_told_what_is_true(
    changes: dict[str, Any], method: str | None, are_sent: bool, said: str
) -> None:
    """By what the warehouse has, the payment method now, and whether retries are sent."""
    text = told(standing_of(replace(DUE, **changes), method, are_retries_sent=are_sent))
    assert text.startswith(said)
    assert text == said or not said.endswith(".")


def every_case() -> Iterator[tuple[Standing, str | None, bool]]:
    """All facts, in all combinations."""
    outcomes: list[dict[str, Any]] = [
        {},
        {"was_refused": True},
        {"last_outcome": "pending", "last_method": "pm_1"},
        {"last_outcome": "unknown", "last_method": "pm_1"},
        {"last_outcome": "succeeded", "last_method": "pm_1"},
        DECLINED,
        DECLINED | {"decline_code": "issuer_not_available"},
        DECLINED | {"decline_code": "no_payment_method", "last_method": None},
    ]
    for outcome, balance, paid, planned, unaccounted, hold, age in product(
        outcomes,
        ("-5", "0", "53.55"),
        ("0", "10"),
        (None, NOW - DAY, NOW + DAY),
        (False, True),
        (False, True),
        ({}, OLD),
    ):
        facts = replace(
            DUE,
            balance=Decimal(balance),
            paid=Decimal(paid),
            planned_at=planned,
            has_unaccounted=unaccounted,
            is_on_hold=hold,
            **outcome,
            **age,
        )
        for method, are_sent in product((None, "pm_1", "pm_2"), (False, True)):
            yield standing_of(facts, method, are_retries_sent=are_sent), method, are_sent


def test_no_combination_of_facts_promises_or_asks_what_it_may_not() -> None:
    """Each promise needs what it promises, whatever the other facts are; and every case comes up."""
    seen = set()
    for standing, method, are_sent in every_case():
        facts, text = standing.facts, told(standing)
        seen.add(standing.situation)
        assert text
        retries = are_sent and not facts.is_on_hold
        if "try again" in text:
            assert retries
            assert facts.planned_at is not None
            assert facts.last_method == method
        if "will be charged" in text:
            assert method is not None
            assert not facts.is_on_hold
            assert not facts.has_unaccounted
        if "new payment method" in text:
            assert retries
            assert facts.last_method != method
        if "don't need to do anything" in text:
            assert method is not None or facts.last_outcome == "pending"
        if "Please" in text:
            assert facts.balance > 0
            assert facts.last_outcome not in {"pending", "unknown"}
            assert not facts.has_unaccounted
        assert ("is paid" in text or "in your favour" in text or "Nothing" in text) or facts.balance > 0
        assert ("No payment method is stored for you" in text) == (
            method is None
            and facts.balance > 0
            and facts.last_outcome not in {"pending", "unknown"}
            and not facts.has_unaccounted
        )
    assert seen == set(Situation)


def test_every_sentence_has_a_case_and_every_case_its_sentences() -> None:
    """A sentence that no case has is never said; a case without one would say nothing."""
    assert set(CASES) == set(Situation)
    assert all(case.facts and case.sentences for case in CASES.values())
    assert collection.__file__
    written = {message for _, message, _, _ in extract_from_file("python", collection.__file__, keywords=KEYWORDS)}
    used = {sentence for case in CASES.values() for sentence in case.sentences} - {WHAT, ADVICE}
    assert written == used | {OTHERWISE, PARTLY}


@pytest.mark.parametrize("code", [None, *(decline.code for decline in DECLINES)])
def test_no_decline_leaves_the_customer_without_a_way_out(code: str | None) -> None:
    """If nothing is going to happen by itself, there is something to do."""
    facts = replace(DUE, **(DECLINED | {"decline_code": code}))
    assert "Please" in told(standing_of(facts, "pm_1", are_retries_sent=True))
