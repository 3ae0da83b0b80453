"""The page Service levels."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from evbilling_web.paused import note_paused
from evbilling_web.rendering import page
from evbilling_web.service_levels.reading import current_levels

router = APIRouter()


@router.get("/service-levels", dependencies=[Depends(note_paused)])
def service_levels(request: Request) -> HTMLResponse:
    """Every service level, what needs somebody first."""
    levels = sorted(current_levels(request), key=lambda level: not level.needs_somebody)
    return page(request, "service_levels/service_levels.html", {"levels": levels})
