"""A real Chromium for tests: sign in, watch what the browser complains about, have a page checked by axe."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, BrowserContext, Frame, Page, Playwright, expect, sync_playwright
from playwright.sync_api import Error as BrowserError

from tests.support.programs import do_without

_HOW_TO_GET = (
    "on Debian `apt-get install chromium` brings one, elsewhere `.venv/bin/playwright install chromium` one of its own"
)
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_SERIOUS = frozenset({"serious", "critical"})
_WIDTH, _HEIGHT = 1280, 800
# The first task that runs keeps Airflow's API server from answering for as long as a busy machine needs to compile.
_PATIENCE_SECONDS = 120
expect.set_options(timeout=60_000)


@contextmanager
def running_browser() -> Generator[Browser]:
    """A headless Chromium: the one on the PATH, else Playwright's own; without either as without any program."""
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=_executable(playwright))
        except BrowserError as error:
            do_without(f"Chromium doesn't start: {error.message.strip()} -> {_HOW_TO_GET}")
        try:
            yield browser
        finally:
            browser.close()


def _executable(playwright: Playwright) -> str:
    on_path = next(filter(None, map(shutil.which, _NAMES)), None)
    own = playwright.chromium.executable_path
    if not on_path and not Path(own).exists():
        do_without(f"there is no Chromium: {_HOW_TO_GET}")
    return on_path or own


class Visitor:
    """One person at one Airflow: a browser's context, and what their browser complained about."""

    def __init__(self, browser: Browser, base_url: str, **settings: Any) -> None:
        self.base_url = base_url
        self.context: BrowserContext = browser.new_context(
            base_url=base_url,
            **{"viewport": {"width": _WIDTH, "height": _HEIGHT}, "color_scheme": "light", "locale": "en-GB"} | settings,
        )
        self.context.set_default_timeout(_PATIENCE_SECONDS * 1000)
        self.complaints: list[str] = []
        self.page = self.context.new_page()
        # Of the context, so that frames and pages that it opens count too.
        self.context.on("console", lambda message: self._heard(message.type, message.text, message.location))
        self.context.on("weberror", lambda error: self.complaints.append(f"uncaught: {error.error}"))

    def _heard(self, kind: str, text: str, location: Mapping[str, Any]) -> None:
        if kind == "error":
            self.complaints.append(f"{kind} at {location.get('url', '?')}: {text}")

    def sign_in(self, user: str, password: str) -> None:
        """Be signed in without the form, by the cookie that Airflow's login page sets."""
        answer = httpx.post(
            f"{self.base_url}/auth/token",
            json={"username": user, "password": password},
            timeout=_PATIENCE_SECONDS,
            trust_env=False,
        )
        answer.raise_for_status()
        cookie = {"name": "_token", "value": answer.json()["access_token"], "url": self.base_url}
        self.context.add_cookies([cookie])  # type: ignore[list-item]  # a TypedDict with all of it optional

    def fill_login(self, user: str, password: str) -> None:
        """Sign in on the form of Airflow that the page shows now, and wait until it has gone."""
        self.page.fill("input[name=username]", user)
        self.page.fill("input[name=password]", password)
        self.page.click("button[type=submit]")
        self.page.wait_for_url(lambda url: "/auth/login" not in url)

    def expect_no_complaints(self) -> None:
        """Fail if the browser had errors of scripts, refused content or missing files to report since the last call."""
        heard, self.complaints = self.complaints, []
        assert not heard, "\n".join(heard)

    def expect_complaint(self, words: str) -> None:
        """Fail if the browser didn't just complain in these words; it is forgiven then."""
        assert any(words in complaint for complaint in self.complaints), self.complaints
        self.complaints.clear()

    def close(self) -> None:
        """Forget the person: cookies and pages."""
        self.context.close()


@contextmanager
def visitor(browser: Browser, base_url: str, **settings: Any) -> Generator[Visitor]:
    """A person who isn't signed in, gone when the block ends."""
    person = Visitor(browser, base_url, **settings)
    try:
        yield person
    finally:
        person.close()


def accessibility(place: Page | Frame, *rules: str) -> list[str]:
    """What axe finds serious or critical on a page or in a frame, a readable line for each element; best is none.

    All of its rules, or just those that are named.

    It is run by the debugger, not as a script of the page, so a strict Content-Security-Policy is no hindrance.
    """
    place.evaluate(AXE_SCRIPT)
    options = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
    found = place.evaluate("options => axe.run(options)", options)
    return [
        f"{violation['impact']}: {violation['help']} ({violation['id']}): {' '.join(map(str, node['target']))}: "
        f"{_short(node['html'])}: {_short(node.get('failureSummary', ''))}"
        for violation in found["violations"]
        if violation["impact"] in _SERIOUS
        for node in violation["nodes"]
    ]


def expect_accessible(place: Page | Frame, *rules: str) -> None:
    """Fail with a line for each serious or critical finding of axe, by all of its rules or those named."""
    findings = accessibility(place, *rules)
    assert not findings, f"{place.url}: {len(findings)} findings:\n" + "\n".join(findings)


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 200 else f"{words[:200]}…"
