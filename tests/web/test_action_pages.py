"""Re-Bill, Mark as Paid and its undo from the pages: the dry run, the form, the run that it starts, what came of it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import AsyncMock

import psycopg
import pytest

from evbilling.payments.actions import set_adjustment_limit
from evbilling.typed_text import fault_in
from evbilling_web.actions import dag_runs
from tests.support.action_pages import ActionPages, fields, words
from tests.support.payments import VISA, check_collected_once
from tests.support.pdf import words as pdf_words
from tests.support.reconciling import look, pay, refund
from tests.support.web import PREFIX

pytestmark = [pytest.mark.airflow, pytest.mark.postgres]

FAILED, PAID, WITHOUT, SOFTLY = range(4)
PAYMENT = {"reference": "bank 4711", "reason": "paid by transfer"}


def audit(pages: ActionPages, action: str) -> list[tuple[Any, ...]]:
    query = "select actor, subject_id, reason from finance.audit_events where action = %s order by event_id"
    return pages.world.rows(query, action)


# ---- From the dry run to the end


def test_a_rebill(pages: ActionPages) -> None:
    """What is charged to whom on which method; a reason; a run of the DAG as the user; and the statement resolved."""
    failed, world = pages.world.ids[FAILED], pages.world
    world.set_method("a00000", VISA)
    shown = words(pages.ask("rebill", failed).text)
    assert f"Re-Bill: {failed}" in shown
    assert "Charged 5.95 EUR To fa-a00000 · fa-a00000@example.org Payment method pm_card_visa" in shown
    assert "Billing failure → then Billing failure (resolved) if it succeeds" in shown
    said = pages.do("rebill", failed, reason="new card")
    assert "Done." in said
    assert f"{failed} Name of a00000 Billing failure (resolved) succeeded: 5.95 EUR" in said
    assert "Reason new card Requested by user" in said
    assert world.status(failed) == "Billing failure (resolved)"
    assert audit(pages, "rebill") == [("user", failed, "new card")]
    assert pages.airflow.posts[0]["conf"] == {
        "statement_ids": [failed],
        "reason": "new card",
        "expected_total": {"EUR": "5.95"},
    }
    check_collected_once(world)


def test_a_dry_run_of_several(shared_pages: ActionPages) -> None:
    """Each with what would become of it or why nothing; the form has only those with which something is done."""
    failed, paid, without, softly, _ = shared_pages.world.ids
    answer = shared_pages.ask("rebill", without, softly, paid, failed, softly, "A-202611-000099", "S-1")
    shown = words(answer.text)
    assert "Re-Bill: 6 statements" in shown
    assert f"{softly} Name of a00003 9.52 EUR fa-a00003 · fa-a00003@example.org" in shown
    assert f"{without} , Name of a00002 : no payment method is stored, so there is nothing to charge" in shown
    assert f"{paid} , Name of a00001 : it is paid: nothing is due" in shown
    assert f"{failed} , Name of a00000 : declined for good" in shown
    assert "A-202611-000099 : there is no such connector statement" in shown
    assert "S-1 : this isn't a statement ID" in shown
    assert "Charge 9.52 EUR" in shown
    assert fields(answer.text)["statement"] == [softly]


def test_several_are_charged_and_each_says_what_came_of_it(pages: ActionPages) -> None:
    """Done in part: the declined one with its reason in plain words, the other resolved; each as it stands now."""
    failed, _, without, softly = pages.world.ids
    pages.world.set_method("a00000", VISA)
    pages.world.set_method("a00002", VISA)
    planned = "select planned_at from finance.payment_plans where statement_id = %s and planned_at is not null"
    before = pages.world.rows(planned, softly)
    assert len(before) == 1
    shown = words(pages.ask("rebill", softly).text)
    assert "In the last 24 hours tried 1 time, 1 declined, last " in shown
    assert "There wasn't enough money on the card." in shown
    assert f"Next automatic try from {before[0][0].day} " in shown
    said = pages.do("rebill", failed, without, softly, reason="new cards")
    # A try by hand doesn't move the planned one: it waits for the first gap as before, only spread over a day.
    ((after,),) = pages.world.rows(planned, softly)
    assert after < before[0][0] + timedelta(days=1)
    assert "Done in part. It didn't work for 1 of 3 statements." in said
    assert f"{softly} Name of a00003 Billing failure 9.52 EUR due declined (insufficient_funds): 9.52 EUR" in said
    assert "There wasn't enough money on the card" in said
    assert pages.world.statuses() == [
        "Billing failure (resolved)",
        "Paid",
        "Billing failure (resolved)",
        "Billing failure",
    ]
    check_collected_once(pages.world)


def test_a_statement_is_marked_as_paid(pages: ActionPages) -> None:
    """All that is due and today stand there already; day, reference and reason are booked as the user's."""
    failed = pages.world.ids[FAILED]
    shown = words(pages.ask("mark-as-paid", failed).text)
    assert "Due 5.95 EUR Status Billing failure → then Paid manually if paid in full" in shown
    assert pages.form("mark-as-paid", failed)["amount"] == ["5.95"]
    said = pages.do("mark-as-paid", failed, paid_on="2026-11-05", **PAYMENT)
    assert "Done." in said
    assert f"{failed} Name of a00000 Paid manually" in said
    query = "select paid_on::text, amount, reference, recorded_by from finance.payments where paid_by = 'outside'"
    assert pages.world.rows(query) == [("2026-11-05", Decimal("5.95"), "bank 4711", "user")]
    assert audit(pages, "mark_as_paid") == [("user", failed, "paid by transfer")]


def test_one_statement_is_corrected(pages: ActionPages) -> None:
    """The page shows the amount that the run then issues; another statement that differs stays as it is."""
    first, world = pages.world.ids[SOFTLY], pages.world
    world.platform.execute("delete from platform.connector where charger_id in ('a00003-1', 'a00002-1')")
    shown = words(pages.ask("correct", first, world.ids[FAILED]).text)
    assert f"{first} Name of a00003 9.52 EUR 0.00 EUR \N{MINUS SIGN}9.52 EUR 0.00 EUR" in shown
    assert f"{world.ids[FAILED]} , Name of a00000 : its amounts are right by the inventory and the settings" in shown
    said = pages.do("correct", first, reason="closed in September")
    assert "Done." in said
    assert "corrected by C-202611-000001: -9.52 EUR" in said
    query = "select corrects_statement_id, total_amount from finance.statements where kind = 'correction'"
    assert world.rows(query) == [(first, Decimal("-9.52"))]
    assert audit(pages, "issue_correction") == [("user", "C-202611-000001", "closed in September")]
    assert "its amounts are right" in words(pages.ask("correct", first).text)


def test_a_correction_that_would_come_to_another_amount_isnt_issued(pages: ActionPages) -> None:
    """What the run counts is compared with what the page showed; the page of the run says both."""
    first, world = pages.world.ids[SOFTLY], pages.world
    world.platform.execute("delete from platform.connector where charger_id = 'a00003-1'")
    sent = pages.send("correct", pages.form("correct", first), reason="closed")
    world.platform.charger("a00003-1", None)
    world.platform.connector("a00003-1", 1)
    world.platform._rows.pop("charger")
    world.platform.save()
    pages.airflow.work()
    said = words(pages.get(sent.headers["location"].removeprefix(PREFIX)).text)
    assert f"other corrections were decided on: {first} by -9.52, now nothing" in said
    assert "Nothing was issued; look again" in said or "nothing was issued; look again" in said
    assert not world.rows("select 1 from billing.statement where kind = 'correction'")


def test_a_payment_that_isnt_recorded_is_what_can_be_marked(pages: ActionPages) -> None:
    """The pages say what the gateway has collected; Re-Bill isn't on offer, and the form has the payment filled in."""
    failed, world = pages.world.ids[FAILED], pages.world
    payment = pay(world, 400, evbilling_statement=failed)
    look(world)
    shown = words(pages.get(f"/statements/{failed}").text)
    assert f"The gateway has collected payment {payment} for this statement, and it isn't recorded here." in shown
    assert (
        "Re-Bill, Write off: the gateway has collected a payment for it that isn't recorded; mark it as paid with"
        in shown
    )
    assert "collected, not recorded" in words(pages.opened("user").get(f"{PREFIX}/statements").text)
    assert f"has collected {payment} for it, which isn't recorded" in words(pages.ask("rebill", failed).text)
    shown = words(pages.ask("mark-as-paid", failed).text)
    assert f"The gateway has collected payment {payment} of 4.00 EUR for this statement" in shown
    assert "Due 5.95 EUR Status Billing failure → then Partly paid" in shown
    form = pages.form("mark-as-paid", failed)
    assert (form["amount"], form["reference"]) == (["4.00"], [payment])
    said = pages.do("mark-as-paid", failed, paid_on="2026-11-05", **PAYMENT)
    assert f"has collected payment {payment} for {failed}, which isn't recorded; give its id as the reference" in said
    pages.airflow.runs.clear()
    said = pages.do("mark-as-paid", failed, paid_on="2026-11-05", reason="the gateway has it")
    assert f"{failed} Name of a00000 Partly paid 1.95 EUR due" in said
    assert look(world) == []
    assert pages.form("mark-as-paid", failed)["amount"] == ["1.95"]


def test_a_part_is_marked_as_paid(pages: ActionPages) -> None:
    """An amount below what is due is booked as such, and the rest stays due."""
    failed = pages.world.ids[FAILED]
    said = pages.do("mark-as-paid", failed, amount="2", paid_on="2026-11-05", **PAYMENT)
    assert f"{failed} Name of a00000 Partly paid 3.95 EUR due" in said


def test_several_are_marked_as_paid_at_once(pages: ActionPages) -> None:
    """One day, reference and reason for all; no amount is asked for, each is paid in full."""
    failed, paid, without, softly = pages.world.ids
    shown = words(pages.ask("mark-as-paid", *pages.world.ids).text)
    assert "3 statements to be booked as paid: 23.80 EUR" in shown
    assert f"{paid} , Name of a00001 : it is paid: nothing is due on it" in shown
    form = pages.form("mark-as-paid", *pages.world.ids)
    assert form["statement"] == [failed, without, softly]
    assert "amount" not in form
    said = pages.do("mark-as-paid", *pages.world.ids, paid_on="2026-11-05", **PAYMENT)
    assert "Done." in said
    assert pages.world.statuses() == ["Paid manually", "Paid", "Paid manually", "Paid manually"]


def test_a_mistake_is_undone(pages: ActionPages) -> None:
    """The payment with who marked it and why; taken back with a reason, the statement stands as it did before."""
    failed = pages.world.ids[FAILED]
    pages.do("mark-as-paid", failed, paid_on="2026-11-05", **PAYMENT)
    pages.airflow.runs.clear()
    shown = words(pages.ask("undo-mark-as-paid", failed, role="admin").text)
    assert "5.95 EUR , paid on 5 Nov 2026 , reference bank 4711 Marked by user" in shown
    assert "paid by transfer Status Paid manually → then Billing failure" in shown
    said = pages.do("undo-mark-as-paid", failed, role="admin", reason="wrong statement")
    assert f"{failed} Name of a00000 Billing failure 5.95 EUR due" in said
    assert audit(pages, "undo_mark_as_paid")[0][::2] == ("admin", "wrong statement")
    assert words(pages.ask("undo-mark-as-paid", failed).text).count("nothing on it is marked") <= 1
    assert "Undo the payment" not in pages.ask("undo-mark-as-paid", failed).text


def test_of_two_payments_one_is_chosen(pages: ActionPages) -> None:
    """Nothing is chosen beforehand; a payment that is named in the address is the only one on offer."""
    failed = pages.world.ids[FAILED]
    for amount in ("1", "2.50"):
        pages.do("mark-as-paid", failed, amount=amount, paid_on="2026-11-05", **PAYMENT)
    form = pages.form("undo-mark-as-paid", failed)
    assert "payment" not in form
    refused = pages.send("undo-mark-as-paid", form, reason="wrong")
    assert refused.status_code == 422
    assert "Choose the payment that was marked by mistake." in refused.text
    query = "select payment_id from finance.payments where paid_by = 'outside' and amount = 2.50"
    payment_id = pages.world.one(query)
    named = pages.form("undo-mark-as-paid", failed, payment=payment_id)
    assert named["payment"] == [payment_id]
    assert pages.send("undo-mark-as-paid", named, reason="wrong").status_code == 303
    pages.airflow.work()
    assert pages.world.one("select balance_due from finance.statements where statement_id = %s", failed) == Decimal(
        "4.95"
    )
    again = words(pages.ask("undo-mark-as-paid", failed, payment=payment_id).text)
    assert "This action isn't available" in again


# ---- What is wrong with a form


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("reason", "", "Give a reason"),
        ("reason", " \r\n ", "Give a reason"),
        ("reason", "x" * 501, "501 characters"),
        ("reason", "a\x00b", "Control characters were removed"),
        ("reference", "  ", "a reference that identifies the payment"),
        ("reference", "x" * 201, "201 characters"),
        ("paid_on", "", "as YYYY-MM-DD"),
        ("paid_on", "05.11.2026", "as YYYY-MM-DD"),
        ("paid_on", "20261105", "as YYYY-MM-DD"),
        ("paid_on", "2026-02-30", "as YYYY-MM-DD"),
        ("paid_on", "2999-01-01", "in the future"),
        ("paid_on", "9999-12-31", "in the future"),
        ("paid_on", "0001-01-01", "more than a year before"),
        ("paid_on", "2025-10-31", "more than a year before"),
        ("paid_on", "2026-W45-4", "as YYYY-MM-DD"),
        ("paid_on", "2026-11-05T10:00", "as YYYY-MM-DD"),
        ("reason", "card 4242 4242 4242 4242", "what looks like a card number"),
        ("reference", "4242424242424242", "what looks like a card number"),
        ("reference", "x\u202ey", "changes the order of the text"),
        ("amount", "", "with a decimal point"),
        ("amount", "1,50", "with a decimal point"),
        ("amount", "1e1", "with a decimal point"),
        ("amount", "NaN", "with a decimal point"),
        ("amount", "1e400", "with a decimal point"),
        ("amount", "9" * 25, "with a decimal point"),
        ("amount", "\N{FULLWIDTH DIGIT FIVE}", "with a decimal point"),
        ("amount", "0", "greater than zero"),
        ("amount", "-1", "greater than zero"),
        ("amount", "1.005", "EUR has 2 decimals"),
        ("amount", "5.96", "Only 5.95 EUR is due"),
    ],
)
def test_a_field_that_cant_be_right(shared_pages: ActionPages, field: str, value: str, says: str) -> None:
    """422, what is wrong beside the field and tied to it, all that was typed still there, and nothing started."""
    failed = shared_pages.world.ids[FAILED]
    typed = {
        "paid_on": "2026-11-05",
        "reference": "bank <4711>",
        "reason": "paid & done",
        "amount": "5.00",
        field: value,
    }
    form = shared_pages.form("mark-as-paid", failed)
    answer = shared_pages.send("mark-as-paid", form, **typed)
    assert answer.status_code == 422
    assert says in words(answer.text)
    assert f'id="act-{field}-error"' in answer.text
    assert f'name="{field}" aria-invalid="true"' in answer.text
    assert answer.text.count('aria-invalid="true"') == 1
    still_there = fields(answer.text)
    for name, given in typed.items():
        assert still_there[name][0].strip() == given.strip().replace("\x00", "")
    assert still_there["nonce"] == form["nonce"]
    assert shared_pages.airflow.runs == {}


def test_a_corrected_form_goes_through(pages: ActionPages) -> None:
    """The page that says what is wrong is itself the form to be sent again."""
    failed = pages.world.ids[FAILED]
    wrong = pages.send("mark-as-paid", pages.form("mark-as-paid", failed), **PAYMENT, amount="1,5")
    assert wrong.status_code == 422
    assert pages.send("mark-as-paid", fields(wrong.text), amount="1.5").status_code == 303
    pages.airflow.work()
    assert pages.world.status(failed) == "Partly paid"


@pytest.mark.parametrize("nonce", ["", "short", "x" * 65, "../../../etc/passwd", "a b c d e f g h i j k l"])
def test_a_form_without_its_nonce_does_nothing(shared_pages: ActionPages, nonce: str) -> None:
    """Nothing is started under a name that isn't ours."""
    form = shared_pages.form("mark-as-paid", shared_pages.world.ids[FAILED])
    answer = shared_pages.send("mark-as-paid", form, **PAYMENT, nonce=nonce)
    assert answer.status_code == 400
    assert shared_pages.airflow.runs == {}


def test_a_form_beyond_all_measure_is_refused(shared_pages: ActionPages) -> None:
    """So much is never typed, and isn't read."""
    form = shared_pages.form("mark-as-paid", shared_pages.world.ids[FAILED])
    assert shared_pages.send("mark-as-paid", form, **PAYMENT, other="x" * 300_000).status_code == 413
    assert shared_pages.airflow.runs == {}


# ---- Once, and only what was seen


def test_a_repeated_submit_is_one_action(pages: ActionPages) -> None:
    """Double click, reload, back and again: always the same run, whether it waits or is over, and one charge."""
    failed = pages.world.ids[FAILED]
    pages.world.set_method("a00000", VISA)
    form = pages.form("rebill", failed)
    first = pages.send("rebill", form, reason="new card")
    second = pages.send("rebill", form, reason="new card")
    pages.airflow.work()
    third = pages.send("rebill", form, reason="other words")
    assert {answer.status_code for answer in (first, second, third)} == {303}
    assert len({answer.headers["location"] for answer in (first, second, third)}) == 1
    assert pages.airflow.only().conf["reason"] == "new card"
    check_collected_once(pages.world)


def test_two_submits_at_the_same_moment_are_one_action(
    shared_pages: ActionPages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither sees the other's run, so both ask for it, and Airflow itself has it once."""

    monkeypatch.setattr(dag_runs, "is_started", AsyncMock(return_value=False))
    form = shared_pages.form("mark-as-paid", shared_pages.world.ids[FAILED])
    answers = [shared_pages.send("mark-as-paid", form, **PAYMENT) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    assert len(shared_pages.airflow.posts) == 2
    assert shared_pages.airflow.only().run_id == f"page-mark_as_paid-{form['nonce'][0]}"


def test_what_has_changed_since_it_was_looked_at_is_shown_anew(pages: ActionPages) -> None:
    """409 with both figures and a new dry run, nothing started; from there it goes on with another nonce."""
    failed, _, without, _ = pages.world.ids
    form = pages.form("mark-as-paid", failed, without)
    pages.do("mark-as-paid", failed, paid_on="2026-11-05", **PAYMENT)
    pages.airflow.runs.clear()
    answer = pages.send("mark-as-paid", form, reference="bank 9", reason="both")
    assert answer.status_code == 409
    said = words(answer.text)
    assert "the total was 14.28 EUR when you opened this form and is now 8.33 EUR" in said
    assert f"{failed} , Name of a00000 : it is paid: nothing is due on it" in said
    assert pages.airflow.runs == {}
    anew = fields(answer.text)
    assert anew["reason"] == ["both"]
    assert anew["nonce"] != form["nonce"]
    assert anew["statement"] == [without]
    assert pages.send("mark-as-paid", anew, amount="8.33").status_code == 303


def test_another_payment_method_is_another_decision(pages: ActionPages) -> None:
    """The same amount from another card than was shown isn't charged unseen."""
    softly = pages.world.ids[SOFTLY]
    form = pages.form("rebill", softly)
    pages.world.set_method("a00003", VISA)
    answer = pages.send("rebill", form, reason="again")
    assert answer.status_code == 409
    assert "the details have changed since you opened this form" in words(answer.text)
    assert "pm_card_visa" in answer.text
    assert pages.airflow.runs == {}


def test_when_nothing_is_left_to_do_nothing_is_sent(pages: ActionPages) -> None:
    """All that was chosen is paid meanwhile: said as such, and no run with an empty list."""
    failed = pages.world.ids[FAILED]
    form = pages.form("mark-as-paid", failed)
    pages.do("mark-as-paid", failed, paid_on="2026-11-05", **PAYMENT)
    pages.airflow.runs.clear()
    answer = pages.send("mark-as-paid", form, **PAYMENT)
    assert answer.status_code == 409
    assert "the action isn't available for the selected statements any more" in words(answer.text)
    assert pages.airflow.runs == {}


def test_what_changes_while_the_run_waits_stops_it(pages: ActionPages) -> None:
    """The run itself checks again what the person saw: another total by then, and nothing is charged."""
    failed, _, without, _ = pages.world.ids
    for account in ("a00000", "a00002"):
        pages.world.set_method(account, VISA)
    sent = pages.send("rebill", pages.form("rebill", failed, without), reason="new cards")
    (waiting,) = pages.airflow.runs
    run = pages.airflow.runs.pop(waiting)
    pages.do("mark-as-paid", failed, paid_on="2026-11-05", **PAYMENT)
    pages.airflow.runs[waiting] = run
    pages.airflow.work()
    said = words(pages.opened("user").get(sent.headers["location"]).text)
    assert "Failed: 14.28 EUR was expected to be due, 8.33 EUR is due now" in said
    assert pages.world.status(without) == "Billing failure"
    check_collected_once(pages.world)


def test_a_refund_is_acknowledged(pages: ActionPages) -> None:
    """What was given back, both ways with the debt, and a run as the user; then nothing is left to acknowledge."""
    paid = pages.world.ids[PAID]
    assert "has given back no payment" in words(pages.ask("acknowledge-refund", paid).text)
    payment = give_back(pages, paid)
    assert 'href="/evbilling/actions/acknowledge-refund' in pages.get("/statements?period=all").text
    shown = words(pages.ask("acknowledge-refund", paid).text)
    assert f"7.14 EUR refunded at the gateway Payment {payment}" in shown
    assert "Status Paid → then Issued" in shown
    form = pages.form("acknowledge-refund", paid)
    refused = pages.send("acknowledge-refund", form, reason="agreed")
    assert refused.status_code == 422
    assert "Choose what becomes of the debt." in words(refused.text)
    said = pages.do("acknowledge-refund", paid, reason="agreed", debt="due_again")
    assert f"{paid} Name of a00001 Issued 7.14 EUR due {payment}, 7.14 EUR refunded, due again, acknowledged" in said
    assert pages.airflow.posts[0]["conf"] == {
        "statement_id": paid,
        "payment_id": payment,
        "debt": "due_again",
        "expected_total": {"EUR": "7.14"},
        "reason": "agreed",
    }
    assert audit(pages, "acknowledge_refund") == [("user", paid, "agreed")]
    assert "Refunded at the gateway" in words(pages.get(f"/statements/{paid}").text)
    assert "has given back no payment" in words(pages.ask("acknowledge-refund", paid).text)


def test_a_statement_is_credited_written_off_and_sent_back(pages: ActionPages) -> None:
    """From the pages, with what is wrong at its field; above the limit another user carries it out."""
    paid, failed = pages.world.ids[PAID], pages.world.ids[FAILED]
    form = pages.form("adjust-statement", paid)
    refused = pages.send("adjust-statement", form, reason="outage", amount="99.00", kind="goodwill")
    assert refused.status_code == 422
    assert "99.00 EUR is more than the 7.14 EUR that can be adjusted on" in words(refused.text)
    texts = {"reason": "internal 4711", "customer_text": "Sorry for the outage."}
    said = pages.do("adjust-statement", paid, amount="2.00", kind="goodwill", **texts)
    assert "2.00 EUR credited by C-202611-000001" in said
    note = words(pages.get("/statements/C-202611-000001").text)
    assert "Sorry for the outage." in note
    assert "internal 4711" in note
    assert "by hand" in words(pages.get(f"/statements/{paid}").text)
    pdf = pages.get("/statements/C-202611-000001.pdf")
    assert pdf.status_code == 200
    assert "Sorry for the outage." in pdf_words(pdf.content)
    assert "internal 4711" not in pdf_words(pdf.content)
    sent = {"paid_on": "2026-11-05", "reference": "bank 7", "reason": "by transfer"}
    assert "2.00 EUR sent back by other means" in pages.do("refund-outside", paid, amount="2.00", **sent)
    assert "has no credit that could be sent back" in words(pages.ask("refund-outside", paid).text)
    set_adjustment_limit(pages.world.services.warehouse_url, "EUR", "1.00", "cfo", "four eyes")
    said = pages.do("write-off", failed, reason="insolvent")
    assert "5.95 EUR to be written off once a second person has carried out request" in said
    ((number,),) = pages.world.rows("select adjustment_request_id from billing.adjustment_request")
    shown = words(pages.ask("write-off", failed).text)
    assert f"Carry out request {number}: write off of 5.95 EUR By user : insolvent" in shown
    refused = pages.send("write-off", pages.form("write-off", failed), reason="agreed", approves="0")
    assert "This request was carried out already" in words(refused.text)
    assert f"request {number} is by" in pages.do("write-off", failed, reason="agreed", approves=str(number))
    assert pages.world.one("select written_off_amount from finance.statements where statement_id = %s", failed) == 0


def test_a_payment_is_refunded_at_the_gateway(pages: ActionPages) -> None:
    """Its credit from the page; beyond it only with the debt due again, which the form says at its field."""
    paid = pages.world.ids[PAID]
    assert "has collected no payment of it" in words(pages.ask("refund-payment", pages.world.ids[FAILED]).text)
    pages.do("adjust-statement", paid, amount="2.00", kind="goodwill", reason="outage")
    form = pages.form("refund-payment", paid)
    assert (form["amount"], form["debt"]) == (["2.00"], ["credit"])
    refused = pages.send("refund-payment", form, reason="agreed", amount="3.00")
    assert "3.00 EUR is more than the 2.00 EUR that can be refunded" in words(refused.text)
    said = pages.do("refund-payment", paid, reason="agreed")
    assert "2.00 EUR of pi_" in said
    assert "refunded at the gateway; 0.00 EUR are due" in said
    assert "Refunded at the gateway" in words(pages.get(f"/statements/{paid}").text)
    assert look(pages.world) == []


def test_another_refund_meanwhile_stops_the_run(pages: ActionPages) -> None:
    """The run books what the person saw, or nothing."""
    paid = pages.world.ids[PAID]
    give_back(pages, paid, 100)
    sent = pages.send("acknowledge-refund", pages.form("acknowledge-refund", paid), reason="agreed", debt="credited")
    give_back(pages, paid, 50)
    pages.airflow.work()
    said = words(pages.opened("user").get(sent.headers["location"]).text)
    assert "1.00 EUR was expected to be given back, and 1.50 EUR is" in said
    assert pages.world.status(paid) == "Paid"


def give_back(pages: ActionPages, statement: str, amount: int | None = None) -> str:
    """Refund a statement's payment at the gateway, and look there; the payment's id."""
    payment = pages.world.intent_of(statement)
    refund(pages.world, payment, amount)
    look(pages.world)
    return payment


# ---- Who may


def test_a_viewer_sees_the_dry_run_and_why_they_may_not(shared_pages: ActionPages) -> None:
    """The same figures, the button off, and in words which right is missing."""
    for name, dag_id in (("rebill", "rebill"), ("mark-as-paid", "mark_as_paid")):
        answer = shared_pages.ask(name, shared_pages.world.ids[SOFTLY], role="viewer")
        assert answer.status_code == 200
        assert "9.52 EUR" in words(answer.text)
        assert '<button class="primary" type="submit" disabled aria-describedby="may-not">' in answer.text
        assert f"permission to trigger the DAG {dag_id}." in words(answer.text)
        assert "disabled" not in shared_pages.ask(name, shared_pages.world.ids[SOFTLY]).text


def test_a_viewer_who_sends_the_form_all_the_same_is_refused(pages: ActionPages) -> None:
    """403 in words, whatever the page looked like, and nothing is started."""
    pages.do("mark-as-paid", pages.world.ids[WITHOUT], paid_on="2026-11-05", **PAYMENT)
    pages.airflow.runs.clear()
    for name in ("rebill", "mark-as-paid", "undo-mark-as-paid"):
        statement = pages.world.ids[WITHOUT if name.startswith("undo") else SOFTLY]
        answer = pages.send(name, pages.form(name, statement), role="viewer", **PAYMENT)
        assert answer.status_code == 403, name
        assert "Your role may not" in words(answer.text)
    assert pages.airflow.runs == {}


def test_the_actor_is_who_is_signed_in_whatever_the_form_says(pages: ActionPages) -> None:
    """Neither a field of the form nor the DAG's conf can name somebody else."""
    failed = pages.world.ids[FAILED]
    form = pages.form("mark-as-paid", failed)
    pretended = {"actor": "boss", "user": "boss", "triggering_user_name": "boss"}
    assert pages.send("mark-as-paid", form, role="op", **PAYMENT, **pretended).status_code == 303
    run = pages.airflow.only()
    assert not set(pretended) & set(run.conf)
    run.conf |= {"reason": "by order of boss"}
    pages.airflow.work()
    assert audit(pages, "mark_as_paid") == [("op", failed, "by order of boss")]


# ---- What is asked for


def test_no_statement_is_no_question(shared_pages: ActionPages) -> None:
    """A clear answer instead of an empty form."""
    answer = shared_pages.ask("rebill")
    assert answer.status_code == 400
    assert "No statement is selected." in words(answer.text)


def test_more_than_500_are_refused_in_words_and_500_are_not(shared_pages: ActionPages) -> None:
    """A person couldn't look through more."""
    ids = [f"A-202611-{number:06d}" for number in range(1, 502)]
    answer = shared_pages.ask("mark-as-paid", *ids)
    assert answer.status_code == 400
    assert "Mark as Paid takes 500 statements at a time; 501 are selected." in words(answer.text)
    answer = shared_pages.ask("mark-as-paid", *ids[:500])
    assert answer.status_code == 200
    assert "496 left out" in words(answer.text)
    two = shared_pages.ask("undo-mark-as-paid", *ids[:2])
    assert two.status_code == 400
    assert "one statement at a time" in words(two.text)


@pytest.mark.parametrize("kind", ["S", "C"])
def test_what_isnt_collected_says_so(shared_pages: ActionPages, kind: str) -> None:
    """An account statement or correction can't be acted on, and neither can one that doesn't exist."""
    for name in ("rebill", "mark-as-paid", "undo-mark-as-paid"):
        shown = words(shared_pages.ask(name, f"{kind}-202611-000001").text)
        assert "This action isn't available" in shown
        assert "Reason" not in shown


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "=cmd()|'/c calc'!A0",
    "\u202egnp.exe",
    "🚗" * 150,
]


def test_hostile_names_and_reasons_are_text(pages: ActionPages) -> None:
    """Whatever people and accounts are called, and whatever is given as reason: shown as it is, run by nobody."""
    softly, failed = pages.world.ids[SOFTLY], pages.world.ids[FAILED]
    for text in HOSTILE:
        pages.world.platform.execute("update platform.app_user set full_name = %s", text)
        with psycopg.connect(pages.world.admin_url) as connection:
            # A statement's name is frozen as it was issued; only a superuser can have it otherwise.
            connection.execute("set session_replication_role = replica")
            connection.execute("update billing.statement set account_name = %s", (text,))
        form = pages.form("mark-as-paid", failed)
        typed = "".join(letter for letter in text if fault_in(letter) is None)
        sent = pages.send("mark-as-paid", form, amount="0.50", reference=typed, reason=typed)
        pages.airflow.work()
        texts = {
            "dry run": pages.ask("rebill", softly).text,
            "dry run of several": pages.ask("rebill", softly, failed).text,
            "run": pages.opened("user").get(sent.headers["location"]).text,
            "undo": pages.ask("undo-mark-as-paid", failed).text,
            "no id": pages.ask("rebill", text, failed).text,
        }
        for name, page in texts.items():
            assert "<script>alert" not in page, name
            assert "<img" not in page, name
            assert text[:100] in words(page), name
        assert [run.note for run in pages.airflow.runs.values()] == [typed]
        pages.airflow.runs.clear()


BREAKING_OUT = ["</textarea><script>alert(1)</script>", '"><script>alert(1)</script>', "' onfocus='alert(1)"]


@pytest.mark.parametrize("name", ["rebill", "mark-as-paid", "undo-mark-as-paid", "send-mail"])
def test_what_was_typed_comes_back_as_text(pages: ActionPages, name: str) -> None:
    """A form that is shown once more has what was typed in its fields, and nothing of it breaks out of them."""
    softly = pages.world.ids[SOFTLY]
    if name == "undo-mark-as-paid":
        for amount in ("1", "2"):
            pages.do("mark-as-paid", softly, amount=amount, paid_on="2026-11-05", **PAYMENT)
        pages.airflow.runs.clear()
    if name == "send-mail":
        with psycopg.connect(pages.world.admin_url) as connection:
            connection.execute("update billing.mail set state = 'held', last_error = 'an old month'")
    form = pages.form(name, softly)
    for text in BREAKING_OUT:
        typed = {"reason": text, "reference": text, "paid_on": text, "amount": text}
        # Seen otherwise, so that it isn't carried out but shown again.
        answer = pages.send(name, form, **typed, seen="something else")
        assert answer.status_code == 409
        assert "<script>" not in answer.text
        again = fields(answer.text)
        shown = {field: again[field] for field in typed if field in again}
        assert shown == {field: [text] for field in shown}
        assert "reason" in shown
    assert pages.airflow.runs == {}


# ---- Airflow itself


def test_a_paused_dag_is_told_before_and_after(shared_pages: ActionPages) -> None:
    """Whoever acts learns that nothing will happen, before they send the form and while the run waits."""
    shared_pages.airflow.paused.add("mark_as_paid")
    failed = shared_pages.world.ids[FAILED]
    assert "The DAG mark_as_paid is paused in Airflow" in words(shared_pages.ask("mark-as-paid", failed).text)
    said = shared_pages.do("mark-as-paid", failed, **PAYMENT)
    assert "Waiting for Airflow to start the run" in said
    assert "The DAG mark_as_paid is paused in Airflow" in said


def test_a_dag_that_airflow_doesnt_know(shared_pages: ActionPages) -> None:
    """Said before anything is sent."""
    shared_pages.airflow.unknown.add("rebill")
    assert "Airflow doesn't know the DAG rebill" in words(
        shared_pages.ask("rebill", shared_pages.world.ids[SOFTLY]).text
    )


def test_without_the_gateways_connection_a_rebill_says_so(
    shared_pages: ActionPages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is missing, by name, instead of a dry run that can't come true."""
    monkeypatch.delenv("AIRFLOW_CONN_PAYMENT_GATEWAY")
    answer = shared_pages.ask("rebill", shared_pages.world.ids[SOFTLY])
    assert answer.status_code == 400
    assert "there is no Airflow connection payment_gateway" in words(answer.text)


def test_a_menu_says_why_a_statement_cannot_be_rebilled(pages: ActionPages) -> None:
    """Declined for good or without a payment method: greyed out with the reason, until the payment method changes."""
    offered = f"/evbilling/actions/rebill?statement={pages.world.ids[FAILED]}&"
    for path in ("/due", "/statements?period=all"):
        shown = pages.get(path).text
        assert offered not in shown
        assert "declined for good" in words(shown)
        assert "no payment method is stored, so there is nothing to charge" in words(shown)
    pages.world.set_method("a00000", VISA)
    for path in ("/due", "/statements?period=all"):
        assert offered in pages.get(path).text.replace("&amp;", "&")
    assert "Why it is due Declined for good" in words(pages.get(f"/statements/{pages.world.ids[FAILED]}").text)


def test_a_fragment_is_the_section_alone(shared_pages: ActionPages) -> None:
    """What a dialog takes in has no page around it, and its heading is one below the page's."""
    address = f"/actions/rebill?statement={shared_pages.world.ids[SOFTLY]}"
    fragment = shared_pages.get(address, **{"x-fragment": "1"}).text.strip()
    assert fragment.startswith("<section")
    assert fragment.endswith("</section>")
    assert '<h2 id="action-title"' in fragment
    assert shared_pages.get(address).text.count("<h1 ") == 1


def test_the_hard_declined_says_why_not(shared_pages: ActionPages) -> None:
    """One statement with which nothing can be done: the reason, how it stands, no form."""
    answer = shared_pages.ask("rebill", shared_pages.world.ids[FAILED])
    shown = words(answer.text)
    assert "This action isn't available: declined for good" in shown
    assert "Status Billing failure Balance 5.95 EUR" in shown
    assert "<form" not in answer.text
