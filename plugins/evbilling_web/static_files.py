"""Style sheets and scripts of all pages: guarded like everything else, and kept by the browser until they change."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse
from starlette.exceptions import HTTPException

router = APIRouter()

_TYPES = {".css": "text/css", ".js": "text/javascript"}


@router.get("/static/{name}")
def static(name: str) -> FileResponse:
    """A page's style sheet or script."""
    file = _files().get(name)
    if file is None:
        raise HTTPException(404, "There is no such file.")
    headers = {"Cache-Control": "private, max-age=31536000, immutable"}
    return FileResponse(file, media_type=_TYPES[file.suffix], headers=headers)


@cache
def version_of(name: str) -> str:
    """A version that changes with the file's content, so that a browser may keep the file forever."""
    return hashlib.sha256(_files()[name].read_bytes()).hexdigest()[:12]


@cache
def _files() -> dict[str, Path]:
    """All of them by name, whichever page's folder they are in."""
    return {file.name: file for file in Path(__file__).parent.rglob("*") if file.suffix in _TYPES}
