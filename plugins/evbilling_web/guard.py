"""Nobody sees a page without Airflow's permission: Airflow itself guards no route of a plugin."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from airflow.configuration import conf
from fastapi import Depends, Request
from starlette.exceptions import HTTPException

from evbilling_web.rights import SignedIn

# Whoever may see the runs of the month's DAG may see what the pages show. A DAG's right, because it means the same
# under every auth manager.
_sees_runs = requires_access_dag("GET", DagAccessEntity.RUN, "connector_statements")

_HARMLESS = {"GET", "HEAD", "OPTIONS"}


def may_see(request: Request, user: SignedIn, _: Annotated[None, Depends(_sees_runs)]) -> None:
    """Refuse whoever isn't signed in or may not see the month's runs; keep who it is for the page's head."""
    request.state.reader = user


def same_origin(request: Request) -> None:
    """Refuse a form that another site sends with the sign-in cookie, which may lack SameSite.

    Without that cookie it isn't a browser's own doing, so it passes. A header with a token is no sign of that: where
    it can't be read, or a proxy's own login has put another one there, Airflow goes by the cookie.
    """
    if request.method in _HARMLESS or COOKIE_NAME_JWT_TOKEN not in request.cookies:
        return
    site = request.headers.get("sec-fetch-site")
    # Over plain http to another host than localhost browsers leave that header out, and say the origin alone.
    is_ours = site == "same-origin" if site else request.headers.get("origin") in _own_origins(request)
    if not is_ours:
        raise HTTPException(403, "This form was sent from another site, so nothing was done. Open the page here anew.")


def _own_origins(request: Request) -> set[str]:
    """Where the pages are reached: as configured, or as asked for where nothing is configured."""
    configured = conf.get("api", "base_url", fallback="") or str(request.base_url)
    parts = urlsplit(configured)
    return {f"{parts.scheme}://{parts.netloc}"}
