"""The pages in a real browser, on the stack of the other tests and inside Airflow: what people do there.

After all others, because it pays and re-bills what they count on to have failed.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, FrameLocator, Locator, Page, expect

from evbilling_local.stack import API_SERVER
from tests.support.browser import Visitor, expect_accessible, running_browser, visitor
from tests.support.stack import MONTH, PATIENCE, Stack

pytestmark = pytest.mark.e2e

LIST = "/evbilling/statements"
FAILED = "Billing failure"
# Of runs, in milliseconds.
RUN_ENDS = 1000 * PATIENCE


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@pytest.fixture(scope="module", autouse=True)
def enough_to_do(stack: Stack, stated: str) -> None:
    """A closed month, and some failed statements for each test to do something with."""
    if len(failures(stack)) < 6:
        assert stack.bill("for-the-pages", "2026-07") == "success"
    assert len(failures(stack)) >= 6


@pytest.fixture
def arrive(chromium: Browser, stack: Stack) -> Iterator[Callable[..., Visitor]]:
    """Opens a browser at the stack's Airflow, signed in as that user; what it complains about fails the test."""
    with contextlib.ExitStack() as open_ones:
        visitors = []

        def arrived(user: str | None = None, **settings: Any) -> Visitor:
            person = open_ones.enter_context(visitor(chromium, API_SERVER.url(stack.state), **settings))
            if user:
                person.sign_in(user, stack.state.airflow_passwords[user])
            visitors.append(person)
            return person

        yield arrived
        for person in visitors:
            person.expect_no_complaints()


def failures(stack: Stack) -> list[str]:
    """Connector statements that failed and are still due, in order."""
    query = "select statement_id from finance.statements where status = %s and kind = 'connector' order by 1"
    return [statement_id for (statement_id,) in stack.finance(query, FAILED)]


def status(stack: Stack, statement_id: str) -> str:
    ((found,),) = stack.finance("select status from finance.statements where statement_id = %s", statement_id)
    return str(found)


def events(stack: Stack, statement_id: str) -> list[tuple[str, str, str]]:
    """What was done with the statement: actor, action, reason."""
    return stack.finance(
        "select actor, action, reason from finance.audit_events where subject_id = %s order by event_id", statement_id
    )


def open_action(page: Page | FrameLocator, words: str) -> Locator:
    """Click an action of a statement's page; the dialog with its dry run."""
    page.get_by_role("link", name=words, exact=True).click()
    dialog = page.locator("dialog[open]")
    expect(dialog.get_by_role("heading", level=2)).to_contain_text(words)
    return dialog


def send(dialog: Locator, **fields: str) -> None:
    """Fill in the form of an action, by its labels' names, and follow its run to the end."""
    for label, value in fields.items():
        dialog.get_by_label(label.replace("_", " "), exact=True).fill(value)
    dialog.locator("form[data-act] button[type=submit]").click()
    expect(dialog.locator("[data-run][data-over] [data-status]")).to_have_text("Done.", timeout=RUN_ENDS)


def test_whoever_isnt_signed_in_is_led_to_the_login_and_back(arrive: Callable[..., Visitor], stack: Stack) -> None:
    """Airflow's own form, filled in; then the very page that was asked for, its filter with it."""
    person = arrive()
    person.page.goto(f"{LIST}?type=connector&period={MONTH}")
    assert urlsplit(person.page.url).path == "/auth/login"
    person.complaints.clear()
    person.fill_login("viewer", stack.state.airflow_passwords["viewer"])
    where = urlsplit(person.page.url)
    assert (where.path, where.query) == (LIST, f"type=connector&period={MONTH}")
    expect(person.page.get_by_text("Signed in as viewer")).to_be_visible()


def test_rebill_inside_airflow_after_a_new_payment_method(arrive: Callable[..., Visitor], stack: Stack) -> None:
    """From Airflow's navigation: filter to Account Chargers that failed, open one, charge it again on a new card."""
    statement = failures(stack)[0]
    person = arrive("user")
    person.page.goto("/plugin/ev-statements")
    frame = person.page.frame_locator("iframe")
    frame.get_by_label("Account Chargers").check()
    frame.get_by_label("Period").select_option("all")
    frame.get_by_label(FAILED, exact=True).check()
    frame.get_by_label("Statement id", exact=True).fill(statement)
    frame.get_by_role("button", name="Show").click()
    expect(frame.locator("tbody .type")).to_have_text(["Account Chargers"])
    assert "status=billing-failure" in person.page.url
    frame.get_by_role("link", name=statement, exact=True).click()
    expect(frame.get_by_role("heading", level=1)).to_contain_text(f"{statement} {FAILED}")
    give_card(stack, statement, "pm_card_visa")
    dialog = open_action(frame, "Re-Bill")
    expect(dialog).to_contain_text("pm_card_visa")
    send(dialog, Reason="a new card")
    expect(dialog).to_contain_text("Billing failure (resolved)")
    dialog.get_by_role("button", name="Close").click()
    expect(frame.get_by_role("heading", level=1)).to_contain_text("Billing failure (resolved)")
    assert person.page.url.endswith(f"{LIST}/{statement}")
    assert status(stack, statement) == "Billing failure (resolved)"
    assert ("user", "a new card") in {(actor, reason) for actor, _, reason in events(stack, statement)}


def give_card(stack: Stack, statement: str, method: str) -> None:
    """The financial admin of the statement has another payment method from now on."""
    ((admin,),) = stack.finance("select financial_admin_id from finance.statements where statement_id = %s", statement)
    stack.admin("platform", "update platform.app_user set payment_method = %s where user_id = %s", method, admin)


def test_mark_as_paid_and_take_it_back_by_keyboard_alone(arrive: Callable[..., Visitor], stack: Stack) -> None:
    """No mouse: the focus goes into the dialog, to what was done, and back to what opened it."""
    statement = failures(stack)[0]
    person = arrive("user")
    page = person.page
    page.goto(f"{LIST}/{statement}")
    tab_to(page, "Mark as Paid")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Paid on")).to_be_focused()
    tab_to(page, "Reference")
    page.keyboard.type("BANK 4711")
    tab_to(page, "Reason")
    page.keyboard.type("paid by transfer")
    tab_to(page, "Mark as Paid")
    page.keyboard.press("Enter")
    dialog = page.locator("dialog[open]")
    expect(dialog.locator("[data-run][data-over] [data-status]")).to_have_text("Done.", timeout=RUN_ENDS)
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Paid manually")
    assert status(stack, statement) == "Paid manually"
    dialog = open_action(page, "Undo Mark as Paid")
    dialog.get_by_role("radio").check()
    send(dialog, Reason="booked on the wrong statement")
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", level=1)).to_contain_text(FAILED)
    assert [reason for actor, _, reason in events(stack, statement) if actor == "user"][-2:] == [
        "paid by transfer",
        "booked on the wrong statement",
    ]


def tab_to(page: Page, name: str) -> None:
    """Press Tab until what has the focus is called so."""
    for _ in range(80):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            "(e => e.labels?.[0]?.textContent.trim() || e.getAttribute('aria-label') || e.textContent.trim())"
            "(document.activeElement)"
        )
        if focused == name:
            return
    pytest.fail(f"Tab never comes to {name}")


@pytest.mark.full
def test_several_are_marked_as_paid_together(arrive: Callable[..., Visitor], stack: Stack) -> None:
    """Ticked in the list, added up by currency, marked by one run with one reference; the list shows it."""
    most = "select period from finance.statements where status = %s group by 1 order by count(*) desc limit 1"
    ((period,),) = stack.finance(most, FAILED)
    person = arrive("user")
    page = person.page
    page.goto(f"{LIST}?type=connector&status=billing-failure&period={period}")
    boxes = page.locator("input[name=statement]")
    chosen = [boxes.nth(n).get_attribute("value") or "" for n in range(2)]
    for statement in chosen:
        page.get_by_label(f"Select {statement}").check()
    expect(page.get_by_text("2 selected:")).to_be_visible()
    page.get_by_role("button", name="Mark as Paid").click()
    dialog = page.locator("dialog[open]")
    expect(dialog).to_contain_text("2 statements")
    expect_accessible(page)
    send(dialog, Reference="BANK 77", Reason="one transfer for both")
    expect_accessible(page)
    page.keyboard.press("Escape")
    for statement in chosen:
        expect(page.get_by_label(f"Select {statement}")).to_have_count(0)
        assert status(stack, statement) == "Paid manually"
        assert "one transfer for both" in {reason for _, _, reason in events(stack, statement)}


@pytest.mark.full
def test_a_form_sent_twice_is_one_action(arrive: Callable[..., Visitor], stack: Stack) -> None:
    """The same form from two tabs, and once more after it was done: one run, one payment."""
    statement = failures(stack)[0]
    paid = "select count(*) from billing.paid_outside where statement_id = %s"
    ((before,),) = stack.admin("warehouse", paid, statement)
    person = arrive("user")
    person.page.goto(f"/evbilling/actions/mark-as-paid?statement={statement}")
    person.page.get_by_label("Reference", exact=True).fill("BANK 12")
    person.page.get_by_label("Reason", exact=True).fill("sent twice")
    twice = """form => Promise.all([1, 2].map(() => fetch(form.action, {
        method: 'POST', body: new URLSearchParams(new FormData(form)), headers: {Accept: 'text/html'}
    }).then(answer => answer.url)))"""
    first, second = person.page.locator("form[data-act]").evaluate(twice)
    assert first == second
    person.page.locator("form[data-act] [type=submit]").click()
    expect(person.page.locator("[data-run][data-over]")).to_be_visible(timeout=RUN_ENDS)
    assert person.page.url == first
    assert stack.admin("warehouse", paid, statement) == [(before + 1,)]


@pytest.fixture
def other_site(stack: Stack) -> Iterator[str]:
    """The address of a page of another site, whose form sends itself to our Mark as Paid."""
    action = f"{API_SERVER.url(stack.state)}/evbilling/actions/mark-as-paid"
    html = f'<form method="post" action="{action}"><input name="reason" value="stolen"></form>'

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        # To a browser another site than 127.0.0.1.
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()


def test_another_sites_form_does_nothing(arrive: Callable[..., Visitor], stack: Stack, other_site: str) -> None:
    """Airflow's login has left a cookie that this browser sends along; the form is refused all the same."""
    person = arrive()
    person.page.goto("/evbilling/months")
    person.complaints.clear()
    person.fill_login("user", stack.state.airflow_passwords["user"])
    person.page.goto(other_site)
    with person.page.expect_navigation():
        person.page.evaluate("document.forms[0].submit()")
    expect(person.page.get_by_text("This form was sent from another site")).to_be_visible()
    person.expect_complaint("403")


def test_a_viewer_sees_all_and_may_do_nothing(arrive: Callable[..., Visitor], stack: Stack) -> None:
    """Actions are greyed with the right that is missing, settings can't be typed into, and a request is refused."""
    statement = failures(stack)[0]
    person = arrive("viewer")
    person.page.goto(f"{LIST}/{statement}")
    rebill = person.page.get_by_role("link", name="Re-Bill", exact=True)
    expect(rebill).to_have_attribute("aria-disabled", "true")
    expect(person.page.get_by_text("Your role may not charge statements again")).to_be_visible()
    ((account,),) = stack.finance("select account_id from finance.statements where statement_id = %s", statement)
    person.page.goto(f"/evbilling/accounts/{account}")
    expect(person.page.get_by_label("Fee per connector and month")).to_be_disabled()
    before = stack.published()
    for place in ("actions/rebill", "actions/mark-as-paid", "actions/undo-mark-as-paid", f"accounts/{account}"):
        answer = person.page.evaluate(
            "place => fetch(place, {method: 'POST', body: new URLSearchParams({reason: 'x'})}).then(a => a.status)",
            f"/evbilling/{place}",
        )
        assert answer == 403
        person.expect_complaint("403")
    assert stack.published() == before


def test_settings_are_previewed_and_saved(arrive: Callable[..., Visitor], stack: Stack) -> None:
    """What is typed shows beside the form before it is saved; a bad value is told at its field; then it is history."""
    account = billed_account(stack)
    person = arrive("op")
    page = person.page
    page.goto(f"/evbilling/accounts/{account}")
    preview = page.locator("#preview")
    expect(preview).to_contain_text("the same as under the current setting")
    fee = page.get_by_label("Fee per connector and month")
    fee.fill("1.234")
    expect(page.locator("#fee_per_connector-error")).to_contain_text("decimals")
    fee.fill("99.50")
    expect(preview).to_contain_text("more than under the current setting")
    page.get_by_label("Reason").fill("new contract")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved. The setting is in force from")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="new contract")).to_contain_text("99.50")
    assert ("op", "new contract") in {(actor, reason) for actor, _, reason in events(stack, account)}


@pytest.mark.full
def test_what_an_account_on_hold_was_missing_is_issued(arrive: Callable[..., Visitor], stack: Stack) -> None:
    """It gets its financial admin, then its statement: this one, of no other account or month. Nothing is un-paused."""
    on_hold = """select account_id from finance.unbilled_accounts
                 where period = %s and reason_id like 'ADMIN-%%' and expected_connector_count > 0"""
    (account,) = stack.finance(on_hold, MONTH)[0]
    query = "select statement_id, account_id, period, total_amount, connector_count from finance.statements"
    issued, paused = set(stack.finance(query)), are_paused(stack)
    page = arrive("op").page
    page.goto(f"/evbilling/accounts/{account}")
    expect(page.get_by_text(f"Not billed in {MONTH}:")).to_be_visible()
    admins = page.get_by_label("Financial admin", exact=True)
    admins.select_option(index=admins.locator("option").count() - 1)
    page.get_by_label("From period", exact=True).select_option(MONTH)
    page.get_by_label("Reason", exact=True).fill("it has one now")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text(f"Fixed; {MONTH} is still to be issued.")).to_be_visible()
    page.get_by_role("link", name=f"Issue what is missing for {MONTH}").click()
    dialog = page.locator("dialog[open]")
    expect(dialog).to_contain_text("Exactly this statement is issued")
    send(dialog, Reason="its financial admin is set now")
    (new,) = set(stack.finance(query)) - issued
    assert new[1:3] == (account, MONTH)
    expect(dialog).to_contain_text(new[0])
    dialog.get_by_role("button", name="Close").click()
    expect(page.get_by_text(f"{MONTH} is still to be issued.")).to_have_count(0)
    assert issued < set(stack.finance(query))
    assert are_paused(stack) == paused


def are_paused(stack: Stack) -> dict[str, bool]:
    return {dag["dag_id"]: dag["is_paused"] for dag in stack.api.get("/api/v2/dags", limit=100)["dags"]}


def newest(stack: Stack, kind: str) -> str:
    """The newest statement of this kind."""
    ((found,),) = stack.finance(
        "select statement_id from finance.statements where kind = %s order by issued_at desc, 1 limit 1", kind
    )
    return str(found)


def billed_account(stack: Stack) -> str:
    """An account that is billed, in a currency with decimals."""
    ((found,),) = stack.finance("select account_id from finance.statements where currency = 'EUR' order by 1 limit 1")
    return str(found)


def mailed(stack: Stack) -> int:
    """A message that was sent."""
    ((found,),) = stack.finance("select max(mail_id) from finance.mail_documents where outcome = 'sent'")
    return int(found)


def billed_connector(stack: Stack) -> str:
    """The query of a connector that is billed in the month."""
    query = "select charger_id, connector_id from finance.statement_lines where period = %s order by 1, 2 limit 1"
    ((charger, connector),) = stack.finance(query, MONTH)
    return f"charger={charger}&connector={connector}&period={MONTH}"


def validated(stack: Stack) -> str:
    """The run that issued the month."""
    ((found,),) = stack.admin("warehouse", "select max(run_id) from billing.validation_result")
    return str(found)


PAGES = {
    "list": lambda stack: f"{LIST}?period=all",
    "due": lambda stack: "/evbilling/due",
    "list with an error": lambda stack: f"{LIST}?period=never",
    "connector statement": lambda stack: f"{LIST}/{failures(stack)[0]}",
    "print view": lambda stack: f"{LIST}/{failures(stack)[0]}?view=print",
    "account statement": lambda stack: f"{LIST}/{newest(stack, 'account')}",
    "no such statement": lambda stack: f"{LIST}/A-202610-999999",
    "re-bill": lambda stack: f"/evbilling/actions/rebill?statement={failures(stack)[0]}",
    "mark as paid": lambda stack: f"/evbilling/actions/mark-as-paid?statement={failures(stack)[0]}",
    "accounts": lambda stack: "/evbilling/accounts",
    "account": lambda stack: f"/evbilling/accounts/{billed_account(stack)}",
    "months": lambda stack: "/evbilling/months",
    "month": lambda stack: f"/evbilling/months/{MONTH}",
    "payments": lambda stack: "/evbilling/payments",
    "breaks": lambda stack: "/evbilling/payments/breaks?state=all",
    "books": lambda stack: "/evbilling/books?period=2026-12",
    "mail": lambda stack: "/evbilling/mail",
    "mail as sent": lambda stack: f"/evbilling/mail/{mailed(stack)}",
    "connector": lambda stack: f"/evbilling/connector?{billed_connector(stack)}",
    "validation": lambda stack: f"/evbilling/validation/{validated(stack)}",
}


# What a browser says of a status that isn't 200.
EXPECTED = {"list with an error": "422", "no such statement": "404"}


def leave_two_rows_of_a_kind(page: Page) -> None:
    """Drop the table rows that differ from two others in text alone: axe looks at each element for long."""
    page.evaluate(
        """() => {
            const seen = {};
            const outline = e => `<${e.tagName} ${e.className}${e.textContent.trim() ? '' : ' empty'}>`
                + [...e.children].map(outline).join('');
            for (const row of document.querySelectorAll('tbody tr')) {
                const kind = outline(row);
                seen[kind] = (seen[kind] || 0) + 1;
                if (seen[kind] > 2) row.remove();
            }
        }"""
    )


# With the same template as another page, or made by another program.
RARE = {"list with an error", "no such statement", "print view", "validation"}


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.full) if n in RARE else n for n in PAGES])
def test_every_page_is_accessible_and_quiet(arrive: Callable[..., Visitor], stack: Stack, name: str) -> None:
    """Light, dark and narrow: axe finds nothing serious, nothing sticks out, the browser complains of nothing."""
    person = arrive("op")
    person.page.goto(PAGES[name](stack))
    person.page.wait_for_load_state("networkidle")
    if name in EXPECTED:
        person.expect_complaint(EXPECTED[name])
    leave_two_rows_of_a_kind(person.page)
    expect_accessible(person.page)
    person.page.emulate_media(color_scheme="dark")
    expect_accessible(person.page, "color-contrast")
    person.page.set_viewport_size({"width": 360, "height": 700})
    assert person.page.evaluate("document.documentElement.scrollWidth") <= 360
    expect_accessible(person.page, "color-contrast", "scrollable-region-focusable", "label")
