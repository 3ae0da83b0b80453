"""Pages from templates: autoescaped, with the formats that all of them share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from evbilling_web.links import account_path, address, airflow_run
from evbilling_web.navigation import NAVIGATION
from evbilling_web.service_levels.reading import late_levels
from evbilling_web.static_files import version_of

_DASH = "\N{EN DASH}"
_NONE = Markup('<span class="none">{}</span>').format(_DASH)


def page(
    request: Request, template: str, context: Mapping[str, Any] | None = None, *, status: int = 200
) -> HTMLResponse:
    """The page that `template` makes of `context`.

    Every template also has `path(…)`, `account_path(id)`, `static(…)` and `airflow_run(dag_id, run_id)` for addresses,
    `here` (the path below the app), `reader` (the signed-in user), `paused` (the paused DAGs, on the pages that ask for
    them by `note_paused`; None: not known), `late_levels()` (the service levels that need somebody) and `is_fragment`
    (True if a script puts the answer into a page that is already open).
    """
    root = request.scope.get("root_path", "")
    shared = {
        "path": lambda path, **query: address(root, path, **query),
        "account_path": lambda account_id: address(root, account_path(account_id)),
        "static": lambda name: f"{root}/static/{name}?v={version_of(name)}",
        "airflow_run": lambda dag_id, run_id: airflow_run(root, dag_id, run_id),
        "here": request.scope["path"].removeprefix(root) or "/",
        "reader": getattr(request.state, "reader", None),
        "paused": getattr(request.state, "paused", None),
        "navigation": NAVIGATION,
        # Of a refused request or a fault, nothing more is asked.
        "late_levels": lambda: late_levels(request) if status < 400 else [],
        "is_fragment": request.headers.get("x-fragment") == "1",
    }
    return HTMLResponse(_environment().get_template(template).render({**shared, **(context or {})}), status_code=status)


def money(amount: Decimal | None, currency: str | None = None) -> Markup:
    """1234.5 EUR as `1,234.50 EUR`; the amount comes with its currency's decimals. None is a dash."""
    if amount is None:
        return _NONE
    digits = f"{amount:,f}".replace("-", "\N{MINUS SIGN}")
    unit = Markup(' <abbr class="unit">{}</abbr>').format(currency) if currency else ""
    return Markup('<data class="money" value="{}">{}</data>').format(f"{amount:f}", digits) + unit


def number(value: int | None) -> str:
    """12345 as `12,345`; None is a dash."""
    return _DASH if value is None else f"{value:,}"


def count(value: int, noun: str) -> str:
    """1 account, 1,200 accounts."""
    return f"{value:,} {noun}{'' if value == 1 else 's'}"


def percent(rate: Decimal | None) -> str:
    """0.07 as `7 %`; None is a dash."""
    return _DASH if rate is None else f"{(rate * 100).normalize():f} %"


def day(value: date | None) -> Markup:
    """A date as 1 Nov 2026; None is a dash."""
    if value is None:
        return _NONE
    return Markup('<time datetime="{}">{}</time>').format(value.isoformat(), f"{value.day} {value:%b %Y}")


def instant(value: datetime | None) -> Markup:
    """An instant as 1 Nov 2026, 12:00 UTC; None is a dash."""
    if value is None:
        return _NONE
    utc = value.astimezone(UTC)
    return Markup('<time datetime="{}">{} UTC</time>').format(
        utc.isoformat(timespec="seconds"), f"{utc.day} {utc:%b %Y, %H:%M}"
    )


def name(value: object) -> Markup:
    """A text from outside: isolated, so that right-to-left letters don't reorder what is around it; it may wrap."""
    return Markup('<bdi class="name">{}</bdi>').format(escape("" if value is None else str(value)))


def compile_templates() -> None:
    """Compile all templates; otherwise the first reader of each page would wait for that."""
    environment = _environment()
    for template in environment.list_templates(extensions=["html"]):
        environment.get_template(template)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for filter_ in (money, number, count, percent, day, instant, name):
        environment.filters[filter_.__name__] = filter_
    return environment
