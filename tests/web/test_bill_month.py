"""Issue what is missing, and bill a month, from the pages: exactly what is shown, followed to its end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from evbilling.cli.main import main
from evbilling_web.account_billing import routes as account_routes
from evbilling_web.missed_months import policy as policy_routes
from evbilling_web.missed_months import routes as missed_routes
from evbilling_web.month import routes as month_routes
from tests.support.action_pages import ActionPages, fields, words
from tests.support.month import PERIOD, settle_terms, terms
from tests.support.payments import VISA
from tests.support.web import PREFIX

pytestmark = [pytest.mark.airflow, pytest.mark.postgres]


def shown(pages: ActionPages, period: object = PERIOD, *accounts: str, role: str = "user") -> Any:
    query = {"period": str(period), "account": list(accounts), "back": "/accounts/x"}
    return pages.opened(role).get(f"{PREFIX}/actions/bill-month", params=query)


def sent(pages: ActionPages, page: Any, **typed: str) -> Any:
    return pages.opened("user").post(f"{PREFIX}/actions/bill-month", data=fields(page.text) | typed)


def followed(pages: ActionPages, answer: Any) -> str:
    assert answer.status_code == 303, words(answer.text)
    pages.airflow.work()
    return words(pages.opened("user").get(answer.headers["location"]).text)


def add(pages: ActionPages, *accounts: str) -> None:
    """Accounts that were enabled after the month was billed."""
    for account in accounts:
        pages.world.platform.plain_account(account, connectors=2)
    pages.world.platform.save()
    for account in accounts:
        pages.world.set_method(account, VISA)
        pages.world.platform.execute(
            "update platform.app_user set payment_customer = 'cus_1' where account_id = %s", account
        )
        settle_terms(pages.world.services.warehouse_url, terms(account))


def test_an_accounts_missing_statement_is_issued_and_charged(pages: ActionPages) -> None:
    """The amount is shown first; one statement comes of it, paid, and nothing else changes."""
    add(pages, "x", "y")
    before = pages.world.rows("select statement_id from finance.payment_attempts order by attempt_id")
    page = shown(pages, PERIOD, "x", "a00000")
    said = words(page.text)
    assert "Issue what is missing for November 2026" in said
    assert "Name of x x 2 10.00 EUR 1.90 EUR 11.90 EUR 1 statement: 11.90 EUR" in said
    assert "Name of a00000 : it has A-202611-000001 already" in said
    assert fields(page.text)["account"] == ["x"]
    refused = sent(pages, page)
    assert refused.status_code == 422
    assert "Give a reason" in words(refused.text)
    said = followed(pages, sent(pages, page, reason="enabled late"))
    assert "Done." in said
    assert "A-202611-000005 Name of x Paid issued" in said
    assert pages.world.rows("select account_id from finance.statements where period = '2026-11' order by 1 desc")[
        0
    ] == ("x",)
    after = pages.world.rows("select statement_id from finance.payment_attempts order by attempt_id")
    assert after == [*before, ("A-202611-000005",)]
    assert not pages.world.rows("select * from finance.tie_out where not is_ok")
    audit = "select actor, reason from finance.audit_events where action = 'issue_connector_statements' order by 1, 2"
    assert ("user", "enabled late") in pages.world.rows(audit)
    # Sent once more, the same form leads to the same run.
    assert len(pages.airflow.runs) == 1


def test_what_has_changed_since_is_shown_again(pages: ActionPages) -> None:
    """Between the page and the form: nothing is started. Between the form and the run: nothing is issued."""
    add(pages, "w")
    page = shown(pages, PERIOD, "w")
    settle_terms(pages.world.services.warehouse_url, terms("w", "6.00"))
    again = sent(pages, page, reason="enabled late")
    assert again.status_code == 409, words(again.text)
    assert "14.28 EUR" in words(again.text)
    assert pages.airflow.runs == {}
    answer = sent(pages, shown(pages, PERIOD, "w"), reason="enabled late")
    settle_terms(pages.world.services.warehouse_url, terms("w", "7.00"))
    said = followed(pages, answer)
    assert "other amounts were decided on: w 14.28, now 16.66" in said, said
    assert pages.world.rows("select count(*) from finance.statements where account_id = 'w'") == [(0,)]


def test_a_month_that_never_ran_is_planned_and_then_issued_as_planned(pages: ActionPages) -> None:
    """The plan charges nothing; what is issued is that plan, and the month's page offers it."""
    october = PERIOD.shifted(-1)
    assert "Bill October 2026" in words(pages.get(f"/months/{october}").text)
    page = shown(pages, october)
    assert "October 2026 was never billed" in words(page.text)
    followed(pages, sent(pages, page, reason="the outage of October"))
    assert pages.world.rows("select count(*) from finance.statements where period = '2026-10'") == [(0,)]
    page = shown(pages, october)
    assert "Statements 4 for 4 connectors" in words(page.text)
    assert "Issue and charge 30.94 EUR" in words(page.text)
    followed(pages, sent(pages, page, reason="the outage of October"))
    assert pages.world.rows(
        "select count(*), sum(total_amount)::text from finance.statements where period = '2026-10'"
    ) == [(4, "30.94")]
    far = shown(pages, PERIOD.shifted(600))
    assert "can't be billed yet" in words(far.text)


def test_missed_months_are_listed_with_their_days(pages: ActionPages, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the page Months and on the account's own, until what is missing is issued."""
    moment = datetime(2026, 12, 3, 12, tzinfo=UTC)
    monkeypatch.setattr(month_routes, "read_clock", lambda _: moment)
    monkeypatch.setattr(account_routes, "now", lambda: moment)
    add(pages, "u")
    months, account = words(pages.get("/months").text), words(pages.get("/accounts/u").text)
    assert "November 2026 u 31 It was charged by a setting of" in months
    assert "December 2026 5 accounts 1 No run has billed the month Bill December 2026" in months
    assert "This account has missed 2 months." in account
    assert "November 2026 , 31 days late: it was charged by a setting of" in account
    assert "December 2026 , 1 day late: no run has billed the month. Bill December 2026" in account
    followed(pages, sent(pages, shown(pages, PERIOD, "u"), reason="enabled late"))
    assert "November 2026 u" not in words(pages.get("/months").text).partition("Missed months")[2]
    assert "This account has missed 1 month." in words(pages.get("/accounts/u").text)


def test_a_missed_month_is_forgiven_and_taken_back(pages: ActionPages, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what it would cost; then it isn't billed, until the page of the account has taken that back."""
    monkeypatch.setattr(account_routes, "now", lambda: datetime(2026, 11, 30, 12, tzinfo=UTC))
    monkeypatch.setattr(missed_routes, "read_clock", lambda _: datetime(2026, 11, 30, 12, tzinfo=UTC))
    add(pages, "t")

    def send(path: str, form: Any, role: str = "op", **typed: str) -> Any:
        return pages.opened(role).post(PREFIX + path, data=fields(form.text) | typed)

    chosen = "/missed-months?account=t&back=/accounts/t"
    page = pages.get(chosen, "op")
    assert "November 2026 Name of t 2 11.90 EUR 1 month: 11.90 EUR" in words(page.text)
    assert "edit variables" in words(pages.get(chosen, "user").text)
    assert send("/missed-months", page, "user", reason="r").status_code == 403
    assert send("/missed-months", page).status_code == 422
    settle_terms(pages.world.services.warehouse_url, terms("t", "6.00"))
    again = send("/missed-months", page, reason="the outage was ours")
    assert again.status_code == 409
    assert "Nothing was forgiven. What is missed has changed." in words(again.text)
    done = send("/missed-months", pages.get(chosen, "op"), reason="the outage was ours")
    assert done.status_code == 303
    assert "1 month forgiven." in words(pages.opened("op").get(done.headers["location"]).text)
    account = words(pages.get("/accounts/t", "op").text)
    assert "November 2026 14.28 EUR op" in account
    assert "the outage was ours Take back" in account
    assert "the month is forgiven by op; take that back" in words(shown(pages, PERIOD, "t").text)
    back = pages.get(f"/missed-months/take-back?account=t&period={PERIOD}", "op")
    assert "Reason the outage was ours Amount 14.28 EUR" in words(back.text)
    assert send("/missed-months/take-back", back).status_code == 422
    assert send("/missed-months/take-back", back, reason="they pay").status_code == 303
    assert "isn't forgiven to this account" in words(send("/missed-months/take-back", back, reason="they pay").text)
    assert "1 statement: 14.28 EUR" in words(shown(pages, PERIOD, "t").text)


def test_a_policy_shows_what_it_would_do_before_it_is_saved(
    pages: ActionPages, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With amounts; for an account or all. What has changed since is shown again; the command does the same."""
    moment = datetime(2026, 12, 3, 12, tzinfo=UTC)
    monkeypatch.setattr(policy_routes, "read_clock", lambda _: moment)
    monkeypatch.setattr(month_routes, "read_clock", lambda _: moment)
    add(pages, "s")
    path, chosen = "/missed-months/policy", "/missed-months/policy?account=s&policy=forgive"

    def send(page: Any, role: str = "op", **typed: str) -> Any:
        form = {name: values[-1] for name, values in fields(page.text).items() if name in {"seen", "account", "policy"}}
        return pages.opened(role).post(PREFIX + path, data=form | typed)

    assert "None is recorded, so every missed month is left to a person." in words(pages.get(path).text)
    page = pages.get(chosen, "op")
    assert "November 2026 Name of s 2 11.90 EUR forgive" in words(page.text)
    assert "Forgive: 2 months, 23.80 EUR" in words(page.text)
    assert send(page, "user", reason="r").status_code == 403
    assert send(page).status_code == 422
    settle_terms(pages.world.services.warehouse_url, terms("s", "6.00"))
    again = send(page, reason="the outages are ours")
    assert again.status_code == 409
    assert "What is missed has changed." in words(again.text)
    assert pages.world.rows("select count(*) from finance.missed_month_policies") == [(0,)]
    page = pages.get(chosen, "op")
    assert send(page, reason="the outages are ours").headers["location"].endswith("account=s&saved=1")
    assert send(page, reason="the outages are ours").headers["location"].endswith("account=s&saved=0")
    said = words(pages.get(f"{path}?policy=bill", "op").text)
    assert "December 2026 Name of a00000 1" in said
    assert "Name of s" not in said
    assert "Bill: 4 months" in said
    pages.airflow.paused.add("missed_months")
    assert "missed_months is paused" not in words(pages.get("/service-levels", "user").text)
    months = words(pages.get("/months", "user").text)
    assert "missed_months is paused in Airflow : no policy of missed months is carried out." in months
    assert "after the month was billed; a policy has it forgiven by the next run of missed_months" in months
    order = ["policy", "missed-month", "bill", "--url", pages.world.services.warehouse_url]
    assert main([*order, "--dry-run"]) == 0
    assert "dry run: missed months of all accounts without a policy of their own: a run of" in capsys.readouterr().out
    assert main(order) == 2
    assert "say why it is set" in capsys.readouterr().err
    assert main([*order, "--account", "s", "--actor", "ann", "--reason", "they pay"]) == 0
    assert main(["policy", "missed-months", *order[3:]]) == 0
    listed = capsys.readouterr().out
    assert "2026-11 s: bill" in listed
    assert "2,s,bill,yes,ann," in listed
    assert "1,s,forgive,no,op," in listed


def test_who_may_not_bill(pages: ActionPages) -> None:
    """A viewer sees what is missing, with the right that it takes, and is refused."""
    page = shown(pages, PERIOD, "a00000", role="viewer")
    assert "Nothing can be issued" in words(page.text)
    add(pages, "v")
    page = shown(pages, PERIOD, "v", role="viewer")
    assert "permission to trigger the DAG bill_month" in words(page.text)
    form = fields(page.text) | {"reason": "r"}
    assert pages.opened("viewer").post(f"{PREFIX}/actions/bill-month", data=form).status_code == 403
    assert shown(pages, "2026-13").status_code == 404
