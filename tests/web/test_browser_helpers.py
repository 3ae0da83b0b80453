"""The browser's own helpers: what they must find is found, so that a page without findings means something."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.browser import Visitor, accessibility, expect_accessible, running_browser, visitor

GOOD = "<!doctype html><html lang=en><title>A page</title><main><h1>A page</h1><label>Name <input></label></main>"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@pytest.fixture
def person(chromium: Browser) -> Iterator[Visitor]:
    with visitor(chromium, "http://pages.test") as person:
        yield person


def serve(person: Visitor, html: str, **headers: str) -> None:
    person.context.route("http://pages.test/**", lambda route: route.fulfill(body=html, headers=headers))
    person.page.goto("http://pages.test/")


def test_a_good_page_has_no_finding(person: Visitor) -> None:
    serve(person, GOOD, **{"content-type": "text/html"})
    expect_accessible(person.page)
    person.expect_no_complaints()


@pytest.mark.parametrize(
    ("mistake", "rule"),
    [
        ("<main><h1>A page</h1><input></main>", "label"),
        ("<main><h1>A page</h1><p style='color:#ccc;background:#fff'>pale</p></main>", "color-contrast"),
        ("<main><h1>A page</h1><button></button></main>", "button-name"),
        ("<main><h1>A page</h1><img src='data:,'></main>", "image-alt"),
    ],
)
def test_serious_mistakes_are_found_in_spite_of_a_strict_policy(person: Visitor, mistake: str, rule: str) -> None:
    """Axe runs under the policy of our pages, and each finding names rule and element."""
    page = f"<!doctype html><html lang=en><title>A page</title>{mistake}</html>"
    serve(person, page, **{"content-type": "text/html", "content-security-policy": "script-src 'self'"})
    assert [f"({rule})" in finding for finding in accessibility(person.page)] == [True]


@pytest.mark.parametrize(
    ("mistake", "says"),
    [
        ("<script>console.error('broken')</script>", "broken"),
        ("<script>nothing.at_all()</script>", "nothing is not defined"),
        ("<script src='/gone.js'></script>", "404"),
    ],
)
def test_what_the_browser_complains_about_is_heard(person: Visitor, mistake: str, says: str) -> None:
    """Errors of scripts and missing files fail a test that expects none."""
    person.context.route("http://pages.test/gone.js", lambda route: route.fulfill(status=404))
    person.context.route(
        "http://pages.test/", lambda route: route.fulfill(body=GOOD + mistake, content_type="text/html")
    )
    person.page.goto("http://pages.test/")
    with pytest.raises(AssertionError, match=says):
        person.expect_no_complaints()


def test_a_refused_script_is_a_complaint(person: Visitor) -> None:
    """What the Content-Security-Policy refuses fails a test that expects no complaints."""
    policy = {"content-type": "text/html", "content-security-policy": "script-src 'self'"}
    serve(person, GOOD + "<script>document.title = 'taken over'</script>", **policy)
    assert person.page.title() == "A page"
    with pytest.raises(AssertionError, match="Content Security Policy"):
        person.expect_no_complaints()
