"""The page Service levels: the time limits, changed by who may, from a day on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from evbilling.cli.main import main
from tests.support.month import one, rows
from tests.support.web import PREFIX

pytestmark = pytest.mark.airflow

PAGE = f"{PREFIX}/service-levels"


def test_a_time_limit_is_changed_by_who_may(
    browser: Callable[..., TestClient], warehouse_url: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """From its day on, with who and why; what is wrong is named, nothing typed is lost; the command does the same."""
    today = one(warehouse_url.writer_url, "select (clock_timestamp() at time zone 'UTC')::date")
    recorded = "select service_level, effective_from, due_after, is_expected, actor, reason from {} where actor <> %s"
    query = recorded.format("billing.service_level_policy") + " order by policy_id"

    def all_recorded() -> list[tuple[Any, ...]]:
        return rows(warehouse_url.admin_url, query, "evbilling")

    form = {"service_level": "charges", "effective_from": str(today), "hours": "36", "reason": "the bank is slow"}
    shown = browser("viewer").get(PAGE).text
    assert "18 hours after 00:00 UTC on the month&#39;s first day" in shown
    assert 'id="refusal"' in shown
    assert browser("user").post(PAGE, data=form).status_code == 403

    op = browser("op")
    wrong = {"service_level": "approval", "effective_from": str(today - timedelta(days=1)), "hours": "745"}
    refused = op.post(PAGE, data=form | wrong)
    assert refused.status_code == 422
    for words in (
        "is none of connector_statements",
        "keep their time limits",
        "no number from 0 to 744",
        "bank is slow",
    ):
        assert words in refused.text
    assert op.post(PAGE, data=form | {"reason": " "}).status_code == 422
    assert all_recorded() == []

    saved = op.post(PAGE, data=form)
    assert (saved.status_code, saved.headers["location"]) == (303, f"{PAGE}?saved=1")
    assert op.post(PAGE, data=form).headers["location"] == f"{PAGE}?saved=0"
    assert "36 hours after the issue of the statements" in op.get(PAGE).text

    tomorrow = today + timedelta(days=1)
    order = ["policy", "time-limit", "mail_delivery", "none", "--from", str(tomorrow), "--actor", "ann"]
    order += ["--reason", "the CRM sends it", "--url", warehouse_url.writer_url]
    assert main(order) == 0
    assert all_recorded() == [
        ("charges", today, timedelta(hours=36), True, "op", "the bank is slow"),
        ("mail_delivery", tomorrow, timedelta(0), False, "ann", "the CRM sends it"),
    ]
    assert main([*order[:3], "soon", *order[4:]]) == 2
    assert main(["policy", "time-limits", "--url", warehouse_url.writer_url]) == 0
    told = capsys.readouterr()
    assert "give hours, or none" in told.err
    assert f"mail_delivery: not expected from {tomorrow} on" in told.out
    assert f"charges,{today},36,yes,op," in told.out
    assert f"mail_delivery,{tomorrow},none,no,ann," in told.out
    actions = "select actor, subject_id from finance.audit_events where action = 'service_level_changed' order by 1"
    assert rows(warehouse_url.finance_url, actions) == [("ann", "mail_delivery"), ("op", "charges")]
