"""Looks at PDFs for the tests: text, pages as pictures, and whether the fonts of all scripts are at hand."""

from __future__ import annotations

import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pypdfium2

from evbilling.documents.fonts import families, font_folders
from tests.support.programs import do_without

# Places to break that were put into long words, and Unicode's isolates around what runs from right to left.
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u2067\u2069\u200f\u200e"))


@contextmanager
def opened(pdf: bytes) -> Generator[pypdfium2.PdfDocument]:
    """The PDF, as PDFium reads it."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        yield document
    finally:
        document.close()


def page_texts(pdf: bytes) -> list[str]:
    """The text of each page, with single blanks, invisible characters left out."""
    found = []
    with opened(pdf) as document:
        for page in document:
            text = page.get_textpage().get_text_range()
            found.append(re.sub(r"[\s\u00a0\u202f]+", " ", text.translate(_INVISIBLE)))
    return found


def words(pdf: bytes) -> str:
    """The text of the whole document."""
    return " ".join(page_texts(pdf))


def dark_pixels(pdf: bytes, page: int = 0) -> Any:
    """A picture of a page: true where it is printed on. Shape: height, width."""
    with opened(pdf) as document:
        return document[page].render(scale=1).to_numpy()[:, :, :3].min(axis=2) < 200


def require_noto() -> None:
    """Skip where the fonts of Arabic, Hebrew, Han and emoji aren't installed; with CI=true that is a failure."""
    there = families(font_folders(os.environ), "en_001")
    missing = {"Noto Sans", "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans CJK SC", "Noto Color Emoji"} - set(there)
    if missing:
        do_without(
            f"no fonts {', '.join(sorted(missing))}: on Debian `apt-get install fonts-noto-core fonts-noto-cjk "
            "fonts-noto-color-emoji` brings them"
        )
