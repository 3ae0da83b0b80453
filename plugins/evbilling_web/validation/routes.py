"""A run's validation results, as stored with its evidence."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import HTMLResponse

from evbilling.errors import NotReady
from evbilling.warehouse import runs
from evbilling_web import warehouse

router = APIRouter()

# The stored page has an inline style sheet and nothing else.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; base-uri 'none'"


@router.get("/validation/{run_id}")
def validation(run_id: Annotated[int, Path(ge=0, lt=2**63)]) -> HTMLResponse:
    """The validation results of a run; 404 for an unknown run or one that hasn't been validated."""
    services = warehouse.services()
    with services.warehouse() as connection:
        facts = runs.get_run(connection, run_id).facts
    if "validation_page" not in facts:
        raise NotReady(f"Run {run_id} has not been validated.", fix="look at its tasks in Airflow")
    text = services.evidence.get_text(facts["validation_page"], facts["validation_sha256"])
    return HTMLResponse(text, headers={"Content-Security-Policy": _POLICY})
