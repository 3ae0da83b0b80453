"""Submitted forms: none larger than a page of ours sends."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import Request
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException

# 500 statements and a long reason are far below this.
_LARGEST = 256 * 1024


async def read_form(request: Request) -> FormData:
    """The fields of a submitted form; none if it is something else.

    Raises `HTTPException` 411 without a length, 413 if it is too large, 400 if it can't be read.
    """
    length = request.headers.get("content-length", "")
    if not (length.isascii() and length.isdigit()):
        raise HTTPException(411, "This form doesn't give its length, so nothing was done.")
    # Of a longer number the digits alone are too many.
    if len(length) > 12 or int(length) > _LARGEST:
        raise HTTPException(413, "This form is too large, so nothing was done.")
    try:
        return await request.form(max_files=0, max_fields=2_000)
    except (UnicodeError, ValueError):
        raise HTTPException(400, "This form can't be read, so nothing was done. Open it again.") from None


async def sent_form(request: Request) -> Mapping[str, str]:
    """The text fields of a submitted form; a NUL, which no table takes, is replaced."""
    form = await read_form(request)
    return {name: value.replace("\x00", "\ufffd") for name, value in form.items() if isinstance(value, str)}
