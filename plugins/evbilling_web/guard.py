"""Guards every route of the pages: Airflow itself guards no route of a plugin."""

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

# A user who may see the runs of connector_statements may see the pages. Rights on a DAG mean the same under every auth
# manager.
_sees_runs = requires_access_dag("GET", DagAccessEntity.RUN, "connector_statements")

_HARMLESS = {"GET", "HEAD", "OPTIONS"}


def may_see(request: Request, user: SignedIn, _: Annotated[None, Depends(_sees_runs)]) -> None:
    """Refuse a user who isn't signed in or may not see the month's runs; keep the user for the page's header."""
    request.state.reader = user


def same_origin(request: Request) -> None:
    """Refuse a form that another site sends with the sign-in cookie, which may lack SameSite.

    A request without that cookie isn't made by a browser on its own, so it passes. A token in a header proves nothing:
    if it can't be read, or a proxy has put its own there, Airflow uses the cookie.
    """
    if request.method in _HARMLESS or COOKIE_NAME_JWT_TOKEN not in request.cookies:
        return
    site = request.headers.get("sec-fetch-site")
    # Over plain http to a host other than localhost, browsers send only the origin.
    is_ours = site == "same-origin" if site else request.headers.get("origin") in _own_origins(request)
    if not is_ours:
        raise HTTPException(
            403, "This form was sent from another site, so nothing was done. Reload the page and try again."
        )


def _own_origins(request: Request) -> set[str]:
    """The origin of the pages: as configured, otherwise as requested."""
    configured = conf.get("api", "base_url", fallback="") or str(request.base_url)
    parts = urlsplit(configured)
    return {f"{parts.scheme}://{parts.netloc}"}
