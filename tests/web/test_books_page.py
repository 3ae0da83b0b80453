"""The page Books: what is left is shown, exported by a run as the signed-in user, and downloaded as it was made."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from evbilling.warehouse import connected, read_clock
from tests.support.action_pages import ActionPages, fields, words
from tests.support.web import PREFIX

pytestmark = [pytest.mark.airflow, pytest.mark.postgres]


def this_month(pages: ActionPages) -> str:
    with connected(pages.world.services.warehouse_url, what="warehouse") as connection:
        return f"{read_clock(connection):%Y-%m}"


def shown(pages: ActionPages, role: str = "user", **query: str) -> Any:
    return pages.opened(role).get(f"{PREFIX}/books", params=query)


def test_a_month_is_exported_once(pages: ActionPages) -> None:
    """Sums first; then the run, by its user and with the reason; its files have their hashes; nothing is left then."""
    month = this_month(pages)
    page = shown(pages, period=month)
    postings = pages.world.one("select count(*) from finance.ledger")
    assert f"{postings} postings, booked before" in words(page.text)
    assert f"Export {postings} postings" in words(page.text)
    form = {name: values[0] for name, values in fields(page.text).items()}
    refused = pages.opened("user").post(f"{PREFIX}/books", data=form | {"reason": ""})
    assert refused.status_code == 422
    started = pages.opened("user").post(f"{PREFIX}/books", data=form | {"reason": "for the accountant"})
    assert started.status_code == 303
    pages.airflow.work()
    assert pages.opened("user").get(started.headers["location"]).status_code == 200
    after = shown(pages, period=month)
    assert "Nothing is left to export of" in words(after.text)
    assert "by user : for the accountant" in words(after.text)
    for name, sha256 in pages.world.rows("select format, sha256 from finance.journal_files"):
        assert sha256 in after.text
        answer = pages.opened("viewer").get(f"{PREFIX}/books/1/{name}")
        assert hashlib.sha256(answer.content).hexdigest() == sha256
        assert answer.headers["content-disposition"].startswith('attachment; filename="journal-')


def test_who_may_not_export_sees_why(pages: ActionPages) -> None:
    """The button is off with the reason, the request is refused; an export or format that there isn't is not found."""
    page = shown(pages, "viewer", period=this_month(pages))
    assert "Your role may not export the journal" in words(page.text)
    form = {name: values[0] for name, values in fields(page.text).items()}
    assert pages.opened("viewer").post(f"{PREFIX}/books", data=form | {"reason": "x"}).status_code == 403
    assert pages.opened("viewer").get(f"{PREFIX}/books/99/csv").status_code >= 400
    assert shown(pages, period="2999-01").status_code >= 400
