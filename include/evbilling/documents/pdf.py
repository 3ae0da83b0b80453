"""Statements as PDF, set by Typst: tagged, archivable (PDF/A-2a), accessible (PDF/UA-1), the same bytes each time."""

from __future__ import annotations

import json
import os
import re
import threading
from dataclasses import asdict
from datetime import UTC, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evbilling.documents import account_statement, connector_statement, correction
from evbilling.documents.fonts import families, font_folders, load_fonts, missing
from evbilling.documents.heading import Issuer
from evbilling.documents.layout import Document
from evbilling.languages import FALLBACK
from evbilling.read_models.statement import ACCOUNT, CONNECTOR, CORRECTION, StatementView

if TYPE_CHECKING:
    import typst

_TEMPLATES = Path(__file__).parent / "templates"
_STANDARDS: list[Any] = ["a-2a", "ua-1"]
_CONTENTS = {
    CONNECTOR: connector_statement.contents,
    ACCOUNT: account_statement.contents,
    CORRECTION: correction.contents,
}

# How Typst reports, as an error of PDF/A, that no font has a character.
_NOT_DISPLAYED = re.compile(r'the text `"(.+?)"` could not be displayed')
_ESCAPED = re.compile(r"\\u\{([0-9a-f]+)\}")

# A compiler serves one thread at a time, and caches what it has parsed.
_thread_local = threading.local()


def statement_pdf(
    view: StatementView, *, locale: str = FALLBACK, issuer: Issuer | None = None, addressee: str = ""
) -> bytes:
    """The statement of any kind as PDF; the same view, locale, issuer and fonts give the same bytes.

    `locale` is one of `languages.locale_of`, `addressee` the financial admin's name if known, the issuer by default
    that of the environment. Raises `FontMissing` if no font has a character of it: nothing is printed as a box.
    """
    document = _CONTENTS[view.header.kind](view, locale, issuer or Issuer.from_environment(os.environ), addressee)
    return document_pdf(document)


def document_pdf(document: Document) -> bytes:
    """A document as PDF; raises `FontMissing` as `statement_pdf`."""
    folders = font_folders(os.environ)
    data = asdict(document) | {"paper": document.paper, "fonts": families(folders, document.locale)}
    compiler = _compiler(folders)
    import typst

    try:
        made = compiler.compile(
            format="pdf",
            sys_inputs={"data": json.dumps(data, default=str, ensure_ascii=False)},
            pdf_standards=_STANDARDS,
            # Otherwise Typst would put the current time into the file.
            timestamp=datetime.combine(document.dated, time(), UTC),
        )
    except typst.TypstError as error:
        lacking = _NOT_DISPLAYED.findall(error.diagnostic)
        if not lacking:
            raise
        characters = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), "".join(lacking))
        raise missing(characters, document.number) from None
    assert isinstance(made, bytes)  # ruff: ignore[assert]  # a PDF is one file
    return made


def _compiler(folders: tuple[str, ...]) -> typst.Compiler:
    import typst

    compilers: dict[tuple[str, ...], typst.Compiler] = _thread_local.__dict__.setdefault("compilers", {})
    if folders not in compilers:
        compilers[folders] = typst.Compiler(
            str(_TEMPLATES / "document.typ"),
            root=str(_TEMPLATES),
            font_paths=load_fonts(folders),
            ignore_system_fonts=True,
        )
    return compilers[folders]
