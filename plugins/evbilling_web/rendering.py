"""Pages from templates: autoescaped, with the few words and formats that all of them share."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from evbilling_web.account_ids import account_place
from evbilling_web.navigation import NAVIGATION

_DASH = "\N{EN DASH}"
_NONE = Markup('<span class="none">{}</span>').format(_DASH)

_HERE = Path(__file__).parent
STATIC = _HERE / "static"


def page(
    request: Request, template: str, context: Mapping[str, Any] | None = None, *, status: int = 200
) -> HTMLResponse:
    """The page that `template` makes of `context`.

    A template also has `path(…)`, `static(…)` and `airflow_run(dag_id, run_id)` for addresses, `account_place(id)` for
    the place of an account's page, `here` (the path below the app), `reader` (who is signed in) and `is_fragment`
    (asked for by a script that puts the answer into a page).
    """
    root = request.scope.get("root_path", "")
    given = {
        "path": lambda place, **query: address(root, place, **query),
        "static": lambda name: f"{root}/static/{name}?v={version_of(name)}",
        "airflow_run": lambda dag_id, run_id: airflow_run(root, dag_id, run_id),
        "here": request.url.path.removeprefix(root) or "/",
        "reader": getattr(request.state, "reader", None),
        "navigation": NAVIGATION,
        "is_fragment": request.headers.get("x-fragment") == "1",
    }
    return HTMLResponse(_environment().get_template(template).render({**given, **(context or {})}), status_code=status)


def address(root: str, place: str, **query: object) -> str:
    """The address of a page: `place` below the app with this query; a list makes several values, None leaves it out."""
    pairs = [
        (name, str(value))
        for name, values in query.items()
        for value in (values if isinstance(values, list | tuple | set) else [values])
        if value is not None
    ]
    return root + quote(place, safe="/%") + (f"?{urlencode(pairs)}" if pairs else "")


def airflow_run(root: str, dag_id: str, run_id: str) -> str:
    """The address of a DAG run's page in Airflow itself; a link to it has the attribute `data-airflow` (see app.js)."""
    airflow = root.removesuffix("/evbilling")
    return f"{airflow}/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"


@cache
def version_of(name: str) -> str:
    """What changes with a static file's content, so that a browser may keep the file for good."""
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]


def money(amount: Decimal | None, currency: str | None = None) -> Markup:
    """1234.5 EUR as `1,234.50 EUR`; the amount comes with its currency's decimals. None is a dash."""
    if amount is None:
        return _NONE
    said = f"{amount:,f}".replace("-", "\N{MINUS SIGN}")
    unit = Markup(' <abbr class="unit">{}</abbr>').format(currency) if currency else ""
    return Markup('<data class="money" value="{}">{}</data>').format(f"{amount:f}", said) + unit


def number(value: int | None) -> str:
    """12345 as `12,345`; None is a dash."""
    return _DASH if value is None else f"{value:,}"


def percent(rate: Decimal | None) -> str:
    """0.07 as `7 %`; None is a dash."""
    return _DASH if rate is None else f"{(rate * 100).normalize():f} %"


def day(value: date | None) -> Markup:
    """A date as 1 Nov 2026, machine-readable beside it; None is a dash."""
    if value is None:
        return _NONE
    return Markup('<time datetime="{}">{}</time>').format(value.isoformat(), f"{value.day} {value:%b %Y}")


def instant(value: datetime | None) -> Markup:
    """An instant in UTC to the minute, which it says; None is a dash."""
    if value is None:
        return _NONE
    utc = value.astimezone(UTC)
    return Markup('<time datetime="{}">{} UTC</time>').format(
        utc.isoformat(timespec="seconds"), f"{utc.day} {utc:%b %Y, %H:%M}"
    )


def name(value: object) -> Markup:
    """A name from outside: isolated, so that right-to-left letters turn nothing else around; long ones may break."""
    return Markup('<bdi class="name">{}</bdi>').format(escape("" if value is None else str(value)))


def compile_templates() -> None:
    """Compile all templates, each of which would else be compiled when it is first asked for."""
    environment = _environment()
    for template in environment.list_templates():
        environment.get_template(template)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["account_place"] = account_place
    for filter_ in (money, number, percent, day, instant, name):
        environment.filters[filter_.__name__] = filter_
    return environment
