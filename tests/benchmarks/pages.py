"""How long pages take on a warehouse full of statements: from a signed-in request to the whole answer.

App, guard and templates are the product's, and Airflow's own auth manager checks the token. Left out are Airflow's web
server around the app, and the network.
"""

from __future__ import annotations

import contextlib
import io
import os
import statistics
import sys
import time
import warnings
from typing import Any

from evbilling.period import Period
from evbilling.warehouse import migrate
from tests.benchmarks.filled import fill
from tests.support.postgres import PostgresServer

_PREFIX = "/evbilling"
_TRIES = 21
_LAST = Period(2026, 11)
PAGES = (
    "/statements",
    "/statements?status=billing-failure&period=all",
    "/due",
    "/due?who=customer",
    "/months",
    f"/months/{_LAST}",
)


def page_times(server: PostgresServer, accounts: int, months: int = 12) -> dict[str, Any]:
    """Milliseconds by page on `months` months of so many statements, and the sentence that says so.

    `first` is the first time, with new connections and nothing prepared; `median` and `worst` are of those after it.
    """
    url = server.create_database("pages")
    migrate(url)
    server.set_password("evbilling_writer", "bench")
    fill(url, accounts, [_LAST.shifted(index - months + 1) for index in range(months)])
    with _signed_in(server.url("evbilling_writer", "pages", password="bench")) as client:
        times = {page: _measured(client, page) for page in PAGES}
    said = ", ".join(
        f"{page} {t['median']:.0f} (first {t['first']:.0f}, worst {t['worst']:.0f})" for page, t in times.items()
    )
    says = f"pages on {months} months of {accounts:,} statements, in ms: {said}"
    return {"statements_a_month": accounts, "months": months, "ms": times, "says": says}


def month_page_times(warehouse_url: str, period: str) -> dict[str, float]:
    """Milliseconds of the page of a month that is billed already, as in `page_times`."""
    with _signed_in(warehouse_url) as client:
        return _measured(client, f"/months/{period}")


def _measured(client: Any, page: str) -> dict[str, float]:
    taken = []
    for _ in range(_TRIES):
        start = time.perf_counter()
        answer = client.get(_PREFIX + page)
        taken.append(1000 * (time.perf_counter() - start))
        if answer.status_code != 200:
            sys.exit(f"{page} answers with status {answer.status_code}: {answer.text[:500]}")
    first, *others = taken
    return {"first": first, "median": statistics.median(others), "worst": max(others)}


def _signed_in(warehouse_url: str) -> Any:
    """A viewer's browser in front of the pages."""
    from tests.support import airflow_settings  # ruff: ignore[unused-import]

    os.environ["AIRFLOW_CONN_WAREHOUSE"] = warehouse_url
    os.environ["AIRFLOW_CONN_EVIDENCE"] = '{"conn_type": "fs", "extra": {"path": "/nowhere"}}'
    # It tells of its migrations and of the passwords that it made.
    os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "ERROR"
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        from airflow.api_fastapi.app import create_auth_manager
        from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
        from airflow.utils.db import initdb
        from fastapi import FastAPI
        from fastapi.testclient import TestClient

        from evbilling_web.app import create_app

        initdb()
        manager = create_auth_manager()
        manager.init()
    pages = create_app()
    # As Airflow does, which begins the apps of its plugins with its own.
    airflow = FastAPI(lifespan=lambda _: pages.router.lifespan_context(pages))
    airflow.mount(_PREFIX, pages)
    token = manager.generate_jwt(SimpleAuthManagerUser(username="viewer", role="VIEWER"))
    return TestClient(airflow, cookies={"_token": str(token)}, headers={"accept": "text/html"}, follow_redirects=False)
