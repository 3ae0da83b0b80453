"""Looks at PDFs for the tests: their text, and their pages as pictures."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pypdfium2

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
