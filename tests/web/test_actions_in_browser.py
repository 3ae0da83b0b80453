"""Actions in a real Chromium: in a dialog over the list, by keyboard, to the end; and all the same without scripts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.responses import HTMLResponse, Response
from playwright.sync_api import Browser, expect

from tests.support.action_pages import ActionPages
from tests.support.browser import Visitor, expect_accessible, running_browser, visitor
from tests.support.payments import VISA

pytestmark = [pytest.mark.airflow, pytest.mark.postgres]

# A run ends within seconds, but for a machine that is busy.
SOON = 60_000

# Airflow shows our pages in a frame with just these rights.
FRAME = """<!doctype html><html lang=en><title>Airflow</title><iframe src="/evbilling/statements" title="EV Billing"
 sandbox="allow-scripts allow-same-origin allow-forms allow-downloads" width=1200 height=700></iframe>"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@pytest.fixture
def address(pages: ActionPages, app: FastAPI) -> Iterator[str]:
    """Where the pages are served, also in a frame, with an Airflow that works by itself."""
    app.get("/favicon.ico")(lambda: Response(status_code=204))
    app.get("/frame")(lambda: HTMLResponse(FRAME))
    with _served(app) as address, _working(pages):
        yield address


@contextmanager
def _served(app: FastAPI) -> Generator[str]:
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", ws="none", timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def _working(pages: ActionPages) -> Generator[None]:
    done = threading.Event()

    def work() -> None:
        while not done.wait(0.3):
            pages.airflow.work()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextmanager
def signed_in(
    chromium: Browser, address: str, token: Callable[[str | None], str], role: str = "user", **settings: Any
) -> Generator[Visitor]:
    with visitor(chromium, address, **settings) as person:
        person.context.add_cookies([{"name": "_token", "value": token(role), "url": address}])
        yield person


def test_a_rebill_by_keyboard_in_a_dialog(
    pages: ActionPages, chromium: Browser, address: str, token: Callable[[str | None], str]
) -> None:
    """Open, look, give a reason, send, follow, close: the list behind shows the new status, and the focus is back."""
    failed = pages.world.ids[0]
    pages.world.set_method("a00000", VISA)
    with signed_in(chromium, address, token) as person:
        page = person.page
        page.goto("/evbilling/statements")
        page.get_by_label(f"Actions for {failed}").press("Enter")
        page.locator("details[open]").get_by_role("link", name="Re-Bill").press("Enter")
        dialog = page.get_by_role("dialog", name=f"Re-Bill: {failed}")
        expect(dialog).to_contain_text("5.95 EUR")
        expect(dialog.get_by_label("Reason")).to_be_focused()
        expect_accessible(page)
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        expect(page.get_by_label(f"Actions for {failed}")).to_be_focused()

        page.keyboard.press("Enter")
        page.locator("details[open]").get_by_role("link", name="Re-Bill").press("Enter")
        expect(dialog.get_by_label("Reason")).to_be_focused()
        page.keyboard.type("new card")
        dialog.get_by_role("button", name="Charge 5.95 EUR").press("Enter")
        expect(dialog.get_by_role("status")).to_contain_text("Done.", timeout=SOON)
        expect(dialog).to_contain_text("Billing failure (resolved)")
        expect_accessible(page)
        page.keyboard.press("Escape")
        expect(page.locator("tr", has_text=failed).locator(".badge")).to_have_text("Billing failure (resolved)")
        expect(page.get_by_role("link", name=failed)).to_be_focused()
        person.expect_no_complaints()
    assert pages.airflow.only().user == "user"


def test_the_bars_of_a_month_are_renewed(
    pages: ActionPages, chromium: Browser, address: str, token: Callable[[str | None], str]
) -> None:
    """A bar for each step under way, read to everybody, goes on by itself; after the last one the page is new."""
    note = "select billing.note_progress('connector_statements', 'r', %s, %s, %s, '2026-11', %s, %s, %s, %s, %s, %s)"

    def write(step: str, state: str, unit: str, done: int, total: int | None, *parts: int) -> None:
        number, count = parts or (0, 1)
        pages.world.write(note, step, number, count, state, unit, done, total, done // 80, 20.0 if unit else None)

    write("validate", "under way", "", 0, None)
    write("extract_inventory", "done", "shards", 4, 4, 0, 4)
    write("extract_inventory", "under way", "shards", 1, 4, 1, 4)
    write("charge", "under way", "statements", 1_200, 5_000)
    write("deliver", "stopped", "messages", 300, 5_000)
    with signed_in(chromium, address, token, "viewer") as person:
        page = person.page
        page.clock.install()
        page.goto("/evbilling/months/2026-11")
        charging = page.get_by_role("progressbar", name="Charging")
        assert charging.get_attribute("value") == "0.24"
        assert page.get_by_role("progressbar", name="Reading the inventory").get_attribute("value") == "0.3125"
        assert page.get_by_role("progressbar", name="Validating").get_attribute("value") is None
        bars = page.locator("[data-steps]")
        expect(bars).to_contain_text("1,200 of 5,000 statements, 20.0 a second, 15 failed, about 3 minutes left")
        expect(bars).to_contain_text("5 shards, 20.0 a second, 1 of 4 parts done")
        expect(bars).to_contain_text("300 of 5,000 messages, 3 failed, stopped by an error; once the task runs again")
        expect_accessible(page)
        write("charge", "under way", "statements", 2_500, 5_000)
        page.clock.fast_forward(10_000)
        expect(charging).to_have_attribute("value", "0.5")
        for step in ("validate", "charge", "deliver"):
            write(step, "done", "statements", 5_000, 5_000)
        for part in range(4):
            write("extract_inventory", "done", "shards", 4, 4, part, 4)
        page.clock.fast_forward(10_000)
        expect(bars).to_have_count(0)
        expect(page.get_by_role("heading", name="November 2026")).to_be_visible()
        person.expect_no_complaints()


def test_several_from_check_boxes_and_what_is_wrong_stays_in_the_dialog(
    pages: ActionPages, chromium: Browser, address: str, token: Callable[[str | None], str]
) -> None:
    """The browser's own check first, then ours, with the focus on the wrong field and nothing typed lost."""
    with signed_in(chromium, address, token) as person:
        page = person.page
        page.goto("/evbilling/statements")
        for statement in (pages.world.ids[0], pages.world.ids[2]):
            page.get_by_label(f"Select {statement}").check()
        page.get_by_role("button", name="Mark as Paid").click()
        dialog = page.get_by_role("dialog", name="Mark as Paid: 2 statements")
        expect(dialog).to_contain_text("14.28 EUR")
        dialog.get_by_label("Reason").fill("transfer <b>")
        dialog.get_by_role("button", name="Mark as Paid").click()
        expect(dialog.get_by_label("Reference")).to_be_focused()
        assert pages.airflow.runs == {}
        dialog.get_by_label("Reference").fill("   ")
        dialog.get_by_role("button", name="Mark as Paid").click()
        expect(dialog.locator("#act-reference-error")).to_contain_text("Give a reference that identifies the payment")
        expect(dialog.get_by_label("Reference")).to_be_focused()
        expect(dialog.get_by_label("Reason")).to_have_value("transfer <b>")
        expect_accessible(page)
        dialog.get_by_label("Reference").fill("bank 1")
        dialog.get_by_role("button", name="Mark as Paid").dblclick()
        expect(dialog.get_by_role("status")).to_contain_text("Done.", timeout=SOON)
        dialog.get_by_role("button", name="Close").click()
        expect(page.locator(".badge", has_text="Paid manually")).to_have_count(2)
    assert len(pages.airflow.posts) == 1


def test_a_refused_form_keeps_what_was_typed(
    pages: ActionPages, chromium: Browser, address: str, token: Callable[[str | None], str]
) -> None:
    """Whoever was signed out, or has lost the right meanwhile, reads so above the button of the same form."""
    with signed_in(chromium, address, token) as person:
        page = person.page
        page.goto("/evbilling/statements")
        page.get_by_label(f"Actions for {pages.world.ids[0]}").click()
        page.locator("details[open]").get_by_role("link", name="Mark as Paid", exact=True).click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Reference").fill("bank 1")
        dialog.get_by_label("Reason").fill("transfer")
        for cookie, says in (
            (None, "You are signed out"),
            (token("viewer"), "Your role may not mark statements"),
        ):
            person.context.clear_cookies()
            if cookie:
                person.context.add_cookies([{"name": "_token", "value": cookie, "url": address}])
            dialog.get_by_role("button", name="Mark as Paid").click()
            expect(dialog.get_by_role("alert")).to_contain_text(says)
            expect(dialog.get_by_label("Reason")).to_have_value("transfer")
        person.context.add_cookies([{"name": "_token", "value": token("user"), "url": address}])
        dialog.get_by_role("button", name="Mark as Paid").click()
        expect(dialog.get_by_role("status")).to_contain_text("Done.", timeout=SOON)


def test_without_scripts_it_is_a_page_after_the_other(
    pages: ActionPages, chromium: Browser, address: str, token: Callable[[str | None], str]
) -> None:
    """Link, form, run, and the run's page loads itself again until it is over."""
    failed = pages.world.ids[0]
    with signed_in(chromium, address, token, java_script_enabled=False) as person:
        page = person.page
        page.goto("/evbilling/statements")
        page.get_by_label(f"Actions for {failed}").click()
        page.locator("details[open]").get_by_role("link", name="Mark as Paid", exact=True).click()
        page.get_by_label("Reference").fill("bank 1")
        page.get_by_label("Reason").fill("transfer")
        page.get_by_role("button", name="Mark as Paid").click()
        expect(page.get_by_text("Done.")).to_be_visible(timeout=SOON)
        expect(page.get_by_role("heading", level=1)).to_contain_text(f"Mark as Paid: {failed}")


def test_in_airflows_frame(
    pages: ActionPages, chromium: Browser, address: str, token: Callable[[str | None], str]
) -> None:
    """No tab, no window of the browser's own, no way out of the frame: the dialog needs none of them."""
    failed = pages.world.ids[0]
    with signed_in(chromium, address, token) as person:
        person.page.goto("/frame")
        frame = person.page.frame_locator("iframe")
        frame.get_by_label(f"Actions for {failed}").click()
        frame.locator("details[open]").get_by_role("link", name="Mark as Paid", exact=True).click()
        dialog = frame.get_by_role("dialog")
        dialog.get_by_label("Reference").fill("bank 1")
        dialog.get_by_label("Reason").fill("transfer")
        dialog.get_by_role("button", name="Mark as Paid").click()
        expect(dialog.get_by_role("status")).to_contain_text("Done.", timeout=SOON)
        dialog.get_by_role("button", name="Close").click()
        expect(frame.locator("tr", has_text=failed).locator(".badge")).to_have_text("Paid manually")
        person.expect_no_complaints()


def test_from_a_statements_page(
    pages: ActionPages, chromium: Browser, address: str, token: Callable[[str | None], str]
) -> None:
    """The same dialog over the statement itself, which then shows what was done."""
    failed = pages.world.ids[0]
    with signed_in(chromium, address, token) as person:
        page = person.page
        page.goto(f"/evbilling/statements/{failed}")
        page.get_by_role("link", name="Mark as Paid", exact=True).click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Amount in EUR").fill("2.00")
        dialog.get_by_label("Reference").fill("bank 1")
        dialog.get_by_label("Reason").fill("transfer")
        dialog.get_by_role("button", name="Mark as Paid").click()
        expect(dialog.get_by_role("status")).to_contain_text("Done.", timeout=SOON)
        page.keyboard.press("Escape")
        expect(page.get_by_role("heading", level=1)).to_contain_text("Partly paid")
        page.get_by_role("link", name="Undo Mark as Paid").click()
        expect(dialog).to_contain_text("reference bank 1")
