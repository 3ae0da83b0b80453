"""Style sheets and scripts: guarded as everything else, and kept by the browser for as long as they are the same."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import FileResponse
from starlette.exceptions import HTTPException

from evbilling_web.rendering import STATIC

router = APIRouter()

_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@router.get("/static/{name}")
def static(name: str) -> FileResponse:
    """A file of `static/`, by the name that a page gave with its version."""
    files = {file.name: file for file in STATIC.iterdir() if file.suffix in _TYPES}
    if name not in files:
        raise HTTPException(404, "There is no such file.")
    kept = {"Cache-Control": "private, max-age=31536000, immutable"}
    return FileResponse(files[name], media_type=_TYPES[files[name].suffix], headers=kept)
