"""The app that Airflow mounts at /evbilling. Every route is guarded by the app itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, FastAPI, Path, Request
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

from evbilling_web.guard import may_see_runs, to_login_or_error

_HEADERS = {
    # The validation page carries its own style sheet and nothing else.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def create_app() -> FastAPI:
    """The guarded app, with no documentation routes: those would be open."""
    app = FastAPI(
        title="evbilling",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(may_see_runs)],
    )
    app.add_exception_handler(HTTPException, to_login_or_error)

    @app.middleware("http")
    async def add_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        response.headers.update(_HEADERS)
        return response

    @app.get("/validation/{run_id}")
    def validation(run_id: Annotated[int, Path(ge=0, lt=2**63)]) -> HTMLResponse:
        """The page with every expectation of a run, as it was stored with the run's evidence."""
        return HTMLResponse(_validation_page(run_id))

    return app


def _validation_page(run_id: int) -> str:
    from evbilling.errors import EvbillingError, NotReady
    from evbilling.warehouse import runs
    from evbilling_airflow.connections import services

    try:
        kept = services(with_platform=False)
        with kept.warehouse() as connection:
            facts = runs.get_run(connection, run_id).facts
        if "validation_page" not in facts:
            raise HTTPException(404, f"Run {run_id} has not been validated.")
        return kept.evidence.get_text(facts["validation_page"], facts["validation_sha256"])
    except NotReady as error:
        raise HTTPException(404, error.what) from error
    except EvbillingError as error:
        raise HTTPException(503, error.what) from error
