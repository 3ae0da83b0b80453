"""Service levels for pages: those of the warehouse, with what Airflow says, where the page asks it."""

from __future__ import annotations

import logging

from fastapi import Request

from evbilling.errors import EvbillingError
from evbilling.service_levels import ServiceLevel, read_service_levels, with_airflow
from evbilling_web import warehouse

log = logging.getLogger(__name__)


def current_levels(request: Request) -> list[ServiceLevel]:
    """Every service level as of now. Raises `TransientError` if the warehouse doesn't answer."""
    with warehouse.reading() as connection:
        levels = read_service_levels(connection)
    request.app.state.briefly.put("levels", levels)
    return _with_airflow(request, levels)


def _with_airflow(request: Request, levels: list[ServiceLevel]) -> list[ServiceLevel]:
    paused = [dag.dag_id for dag in getattr(request.state, "paused", None) or ()]
    return with_airflow(levels, paused, is_down=getattr(request.state, "is_down", False))


def late_levels(request: Request) -> list[ServiceLevel]:
    """Those that need somebody, for the line on every page: a page is shown without it rather than not at all."""
    kept = request.app.state.briefly.get("levels")
    try:
        levels = current_levels(request) if kept is None else _with_airflow(request, kept)
        return [level for level in levels if level.needs_somebody]
    except EvbillingError as error:
        log.warning("a page can't say what is late: %s", error.what)
        return []
