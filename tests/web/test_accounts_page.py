"""Account Billing as people use it: pick an account, see a change before it is made, make it, see who made which."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from evbilling.period import Period
from evbilling.services import Services
from evbilling_web.account_billing import routes as account_billing
from evbilling_web.links import account_path
from tests.support.month import PERIOD, Platform, bill, rows, settle_terms, terms
from tests.support.web import PREFIX

pytestmark = [pytest.mark.airflow, pytest.mark.postgres]

HOSTILE = ("<script>alert(1)</script>", "c/4 & d'5", "../..", "=cmd()", "مرحبا", "x" * 300, 'a"b', "a/preview")
AT_A = f"{PREFIX}/accounts/a"


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """It is the 26th of November; the month of November can still be billed."""
    moment = datetime(2026, 11, 26, 12, tzinfo=UTC)
    monkeypatch.setattr(account_billing, "now", lambda: moment)
    return moment


@pytest.fixture
def world(warehouse_url: Any, platform_db: str) -> Platform:
    """Account a with two AC connectors and a closed DC one, charged 5.00 EUR and 19 % since 2020."""
    platform = Platform(platform_db)
    platform.plain_account("a", connectors=2)
    platform.station("a-closed", "a", "Closed", power="DC")
    platform.user("leaver", "a", active=False)
    platform.save()
    settle_terms(warehouse_url.writer_url, terms("a"))
    return platform


def form(seen: str = "1", **changes: str) -> dict[str, str]:
    """What a browser sends of the form; an empty change of a checkbox leaves it out."""
    fields = {
        "seen": seen,
        "charge_connectors": "on",
        "financial_admin_id": "fa-a",
        "fee_per_connector": "6.50",
        "fee_per_dc_connector": "",
        "tax_percent": "7",
        "exclude_closed": "on",
        "exclude_private": "",
        "effective_from": "2026-12",
        "reason": "new contract",
    }
    return {name: text for name, text in (fields | changes).items() if text or "exclude" not in name}


def text_of(page: str) -> str:
    """What stands on a page, without its markup."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page)))


def recorded(warehouse_url: Any) -> list[tuple[Any, ...]]:
    query = """select effective_from::text, fee_per_connector, exclude_closed, tax_rate, actor
               from billing.account_setting order by setting_id"""
    return rows(warehouse_url.admin_url, query)


def test_accounts_are_picked_from_a_list(world: Platform, browser: Callable[..., TestClient]) -> None:
    """Each with what it is billed by; found by a part of id or name; each link leads to the account's page."""
    for account in HOSTILE:
        world.account(account)
    world.save()
    visitor = browser()
    page = visitor.get(f"{PREFIX}/accounts")
    assert page.status_code == 200
    assert "fa-a · fa-a@example.org 5.00 EUR same 19 % 2020-01" in text_of(page.text)
    assert "<script>alert" not in page.text
    links = {html.unescape(link) for link in re.findall(r'<th scope="row"><a href="([^"]+)"', page.text)}
    assert links == {PREFIX + account_path(account) for account in ("a", *HOSTILE)}
    for account in HOSTILE:
        answer = visitor.get(PREFIX + account_path(account))
        assert answer.status_code == 200, account
        assert f"Account {account} ·" in text_of(answer.text), account
        assert "It isn't billed per connector".lower() in text_of(answer.text).lower()
    found = text_of(visitor.get(f"{PREFIX}/accounts", params={"q": "NAME OF A"}).text)
    assert ("Name of a" in found, "Name of =cmd()" in found) == (True, False)
    assert "No accounts match “ nobody ”" in text_of(visitor.get(f"{PREFIX}/accounts?q=nobody").text)


def test_a_long_list_has_pages(world: Platform, browser: Callable[..., TestClient]) -> None:
    """By the address, forwards and back."""
    for number in range(120):
        world.account(f"n{number:03d}")
    world.save()
    visitor = browser()
    first = visitor.get(f"{PREFIX}/accounts").text
    second = visitor.get(html.unescape(re.findall(r'rel="next" href="([^"]+)"', first)[0])).text
    assert re.findall(r"<bdi class=\"name\">(n\d+)</bdi></a>", second) == [f"n{n:03d}" for n in range(49, 99)]
    third = visitor.get(html.unescape(re.findall(r'rel="next" href="([^"]+)"', second)[0])).text
    assert 'rel="next"' not in third
    back = visitor.get(html.unescape(re.findall(r'rel="prev" href="([^"]+)"', third)[0])).text
    assert re.findall(r"(n\d+)</bdi></a>", back) == re.findall(r"(n\d+)</bdi></a>", second)


def test_the_form_shows_what_is_in_force(world: Platform, browser: Callable[..., TestClient]) -> None:
    """Labelled native fields, the admin among the account's active users, the next month to be billed chosen."""
    page = browser("op").get(AT_A).text
    for name in ("financial_admin_id", "fee_per_connector", "fee_per_dc_connector", "tax_percent", "effective_from"):
        assert f'<label for="{name}">' in page
        assert f'aria-describedby="{name}-hint {name}-error"' in page
    assert re.findall(r'<option value="(fa-a|leaver)"( selected)?', page) == [("fa-a", " selected")]
    assert '<option value="2026-11" selected>' in page
    assert re.findall(r'name="(\w+)" value="([^"]*)" required', page) == [
        ("fee_per_connector", "5.00"),
        ("tax_percent", "19"),
    ]


def test_a_change_is_seen_before_it_is_made(
    world: Platform, browser: Callable[..., TestClient], warehouse_url: Any
) -> None:
    """Beside the form and, without JavaScript, by the button: counts, exclusions, amounts, and the difference."""
    sent = form(reason="")
    fragment = browser("op").get(f"{AT_A}/preview", params=sent, headers={"x-fragment": "1"})
    assert "<html" not in fragment.text
    for page in (fragment.text, browser("op").get(AT_A, params=sent).text):
        said = text_of(page)
        assert "2026-12: 3 connectors as of now." in said
        assert "13.91 EUR including tax, 3.94 EUR less than under the current setting" in said
        assert "SCOPE-CLOSED 1 0" in said
        assert "Net EUR 13.00 15.00 Tax EUR 0.91 2.85 Total EUR 13.91 17.85" in said
    assert len(recorded(warehouse_url)) == 1


def test_a_preview_tells_what_is_wrong(world: Platform, browser: Callable[..., TestClient]) -> None:
    """Fields that can't be, with what stands now; and what would keep the account from a statement."""
    visitor = browser("op")
    answer = visitor.get(f"{AT_A}/preview", params=form(fee_per_connector="6.505"), headers={"x-fragment": "1"})
    assert (
        'data-field="fee_per_connector" data-error="6.505 can&#39;t be paid exactly: EUR has 2 decimals"' in answer.text
    )
    assert "Total EUR 17.85" in text_of(answer.text)
    world.execute("update platform.charger set scope_status = 'Secret' where charger_id = 'a-closed'")
    said = text_of(visitor.get(f"{AT_A}/preview", params=form()).text)
    assert "Under this setting, the account is on hold and no statement is issued; 20.87 EUR would be missing" in said
    assert "1 connector with an unknown scope status ('Secret'), first a-closed/1" in said


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "&lt;b&gt;"])
def test_what_a_preview_quotes_is_text(world: Platform, browser: Callable[..., TestClient], text: str) -> None:
    """Values of the platform and of the form, in problems, errors and notes: shown as they are, run by nobody."""
    world.execute("update platform.charger set scope_status = %s where charger_id = 'a-closed'", text)
    world.execute("update platform.account set time_zone = %s", text)
    for sent in (form(), form(financial_admin_id=text), form(fee_per_connector=text)):
        for path, headers in ((f"{AT_A}/preview", {"x-fragment": "1"}), (AT_A, {})):
            page = browser("op").get(path, params=sent, headers=headers).text
            assert text in text_of(page)
            assert "<script>" not in page
            assert "<img" not in page
            assert "<b>" not in page


def test_a_setting_is_saved_once(world: Platform, browser: Callable[..., TestClient], warehouse_url: Any) -> None:
    """By the signed-in user with the reason; a repeated submit, also at the same time, adds nothing."""
    visitor = browser("op")
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: browser("op").post(AT_A, data=form()), range(3)))
    assert [answer.status_code for answer in answers] == [303] * 3
    assert recorded(warehouse_url)[1:] == [("2026-12", Decimal("6.5"), True, Decimal("0.07"), "op")]
    done = {answer.headers["location"] for answer in answers}
    assert done == {f"{AT_A}?saved=2", f"{AT_A}?saved=0"}
    saved = text_of(visitor.get(f"{AT_A}?saved=2").text)
    assert "Saved. The setting is in force from 2026-12; recorded by op on" in saved
    assert "new contract" in saved
    assert "Nothing was saved: these settings are already in force" in text_of(visitor.get(f"{AT_A}?saved=0").text)
    events = rows(warehouse_url.admin_url, "select actor, action, subject_id, reason from billing.audit_event")
    assert events[1:] == [("op", "set_account_billing", "a", "new contract")]


def test_history_marks_what_changed(world: Platform, browser: Callable[..., TestClient], warehouse_url: Any) -> None:
    """Who, when, why, from which period; what differs from the setting before; which one counts next month."""
    browser("admin").post(AT_A, data=form(effective_from="2026-11", exclude_closed="", tax_percent="19"))
    page = browser().get(AT_A).text
    (latest, first) = re.findall(r"<tr.*?</tr>", page.partition('class="history"')[2], re.DOTALL)[1:]
    assert "in force for 2026-11" in latest
    assert [text_of(mark).strip() for mark in re.findall(r"<mark>(.*?)</mark>", latest, re.DOTALL)] == ["6.50 EUR"]
    assert "admin" in text_of(latest)
    assert "new contract" in latest
    assert "<mark>" not in first
    assert "settings recorded" in first


def test_bad_values_are_refused_beside_their_fields(
    world: Platform, browser: Callable[..., TestClient], warehouse_url: Any
) -> None:
    """All at once, with a summary that leads to them and gets the focus; what was typed stays, nothing is recorded."""
    typed = form(
        financial_admin_id="leaver",
        fee_per_connector="6.505",
        tax_percent='"><b>',
        effective_from="2026-13",
        reason=" ",
    )
    answer = browser("op").post(AT_A, data=typed)
    assert answer.status_code == 422
    page = answer.text
    assert r'id="summary" role="alert" tabindex="-1" autofocus' in page
    for name, says in (
        ("financial_admin_id", "The user leaver · leaver@example.org is inactive"),
        ("fee_per_connector", "6.505 can't be paid exactly: EUR has 2 decimals"),
        ("tax_percent", "is not a decimal number"),
        ("effective_from", "'2026-13' is not a billing period"),
        ("reason", "Is empty, but is required"),
    ):
        error = re.search(rf'<p class="error" id="{name}-error">(.*?)</p>', page)
        assert error
        assert says in html.unescape(error[1])
        assert re.search(rf'<(input|select|textarea) id="{name}"[^>]*aria-invalid="true"', page)
        assert f'<a href="#{name}">' in page
    assert '<p class="error" id="fee_per_dc_connector-error" hidden>' in page
    assert 'value="6.505"' in page
    assert 'value="&#34;&gt;&lt;b&gt;"' in page
    assert '<option value="leaver" selected>leaver · leaver@example.org (inactive)</option>' in page
    assert '<input type="hidden" name="seen" value="1">' in page
    assert len(recorded(warehouse_url)) == 1


def test_nobody_overwrites_what_he_has_not_seen(
    world: Platform, browser: Callable[..., TestClient], warehouse_url: Any
) -> None:
    """The second of two people is told who has recorded what, keeps what was typed, and may then save it."""
    assert browser("admin").post(AT_A, data=form(fee_per_connector="9")).status_code == 303
    answer = browser("op").post(AT_A, data=form(reason="mine"))
    assert answer.status_code == 409
    said = text_of(answer.text)
    assert "admin recorded another setting on" in said
    assert "reason: “ new contract ”" in said
    assert "9.00 EUR , in your form 6.50 EUR" in said
    assert 'value="6.50"' in answer.text
    assert ">mine</textarea>" in answer.text
    assert len(recorded(warehouse_url)) == 2
    (seen,) = re.findall(r'name="seen" value="(\d+)"', answer.text)
    assert browser("op").post(AT_A, data=form(seen=seen, reason="mine")).status_code == 303
    assert [row[4] for row in recorded(warehouse_url)] == ["ann", "admin", "op"]


@pytest.mark.parametrize("seen", ["", "x", "-1", "9" * 40, "٣"])
def test_what_was_never_seen_is_not_overwritten(
    world: Platform, browser: Callable[..., TestClient], warehouse_url: Any, seen: str
) -> None:
    """A form that doesn't say what its reader has seen counts as one that has seen nothing."""
    assert browser("op").post(AT_A, data=form(seen=seen)).status_code == 409
    assert len(recorded(warehouse_url)) == 1


@pytest.mark.parametrize("role", ["viewer", "user"])
def test_who_may_not_change_settings_only_sees_them(
    world: Platform, browser: Callable[..., TestClient], warehouse_url: Any, role: str
) -> None:
    """Also whoever may trigger DAGs: the form is shown, switched off, with the reason; a post all the same is 403."""
    page = browser(role).get(AT_A).text
    assert '<fieldset class="bare" disabled aria-describedby="refusal">' in page
    assert "Your role may not change billing settings. In Airflow this needs permission to edit variables." in page
    assert ">Save</button>" not in page
    answer = browser(role).post(AT_A, data=form())
    assert answer.status_code == 403
    assert len(recorded(warehouse_url)) == 1


def test_a_form_of_another_site_saves_nothing(
    world: Platform, browser: Callable[..., TestClient], warehouse_url: Any
) -> None:
    """The sign-in cookie may come along with it, but it isn't same-origin."""
    answer = browser("op").post(AT_A, data=form(), headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 403
    assert len(recorded(warehouse_url)) == 1


def test_an_account_that_nobody_knows(world: Platform, browser: Callable[..., TestClient]) -> None:
    """404; but one that only our settings know has a page, for it is held back every month."""
    assert browser().get(f"{PREFIX}/accounts/nobody").status_code == 404
    assert browser().get(f"{PREFIX}/accounts/~00").status_code == 404
    assert browser("op").post(f"{PREFIX}/accounts/nobody", data=form()).status_code == 404
    world.execute("delete from platform.account")
    page = browser("op").get(AT_A)
    assert page.status_code == 200
    assert "the charging platform has no account with this ID" in text_of(page.text)


def test_a_platform_that_does_not_answer(
    world: Platform, browser: Callable[..., TestClient], warehouse_url: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings and history are shown all the same, nothing can be saved, and what was typed isn't lost."""
    monkeypatch.setenv("AIRFLOW_CONN_CHARGING_PLATFORM", "postgresql://127.0.0.1:9/x")
    page = browser("op").get(AT_A)
    assert page.status_code == 200
    assert "The charging platform isn't available" in text_of(page.text)
    assert "5 19 %" in text_of(page.text).replace("same no no ", "")
    assert "No preview is available: can't connect" in text_of(browser("op").get(f"{AT_A}/preview").text)
    answer = browser("op").post(AT_A, data=form())
    assert answer.status_code == 503
    assert 'value="6.50"' in answer.text
    assert len(recorded(warehouse_url)) == 1


def test_a_month_that_held_the_account_back(
    warehouse_url: Any, platform_db: str, browser: Callable[..., TestClient], tmp_path: Path
) -> None:
    """It says why, and offers to mend that very month; what is issued is said not to change."""
    platform = Platform(platform_db)
    platform.plain_account("a")
    platform.plain_account("b")
    platform.save()
    settle_terms(warehouse_url.writer_url, terms("a"), terms("b", financial_admin_id=None))
    bill(Services(platform_db, warehouse_url.writer_url, str(tmp_path / "evidence")))
    held = browser("op").get(f"{PREFIX}/accounts/b").text
    assert f"Not billed in {PERIOD}: no financial admin is set; choose one" in text_of(held)
    assert f'<option value="{PERIOD}" selected>{PERIOD} (on hold: a fault to fix)</option>' in held
    # An earlier month on hold is the one to fix first.
    settle_terms(warehouse_url.writer_url, terms("b", effective_from=PERIOD.shifted(1)))
    assert f'<option value="{PERIOD}" selected>' in browser("op").get(f"{PREFIX}/accounts/b").text
    assert "Fixed" not in text_of(browser("op").get(f"{PREFIX}/accounts/b").text)
    settle_terms(warehouse_url.writer_url, terms("b", effective_from=PERIOD))
    fixed = browser("op").get(f"{PREFIX}/accounts/b").text
    assert f"Fixed; {PERIOD} is still to be issued. It was not billed, because: no financial admin" in text_of(fixed)
    assert f"Issue what is missing for {PERIOD}" in text_of(fixed)
    assert f"/actions/bill-month?period={PERIOD}&amp;account=b&amp;back=%2Faccounts%2Fb" in fixed
    platform.execute("update platform.charger set scope_status = 'Publik' where account_id = 'b'")
    assert "Fixed" not in text_of(browser("op").get(f"{PREFIX}/accounts/b").text)
    issued = browser("op").get(AT_A).text
    assert f'<option value="{PERIOD.shifted(1)}" selected>' in issued
    said = text_of(browser("op").get(f"{AT_A}/preview", params=form(effective_from=str(Period(2026, 9)))).text)
    assert f"Connector statements of {PERIOD} are issued, and saving doesn't change them" in said
    assert "2026-12: 1 connector as of now." in said
