"""Statements as PDF, set by Typst: tagged, archivable (PDF/A-2a), accessible (PDF/UA-1), the same bytes each time."""

from __future__ import annotations

import json
import logging
import os
import threading
from dataclasses import asdict
from datetime import UTC, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evbilling.documents import account_statement, connector_statement, correction
from evbilling.documents.fonts import families, font_folders, load_fonts
from evbilling.documents.heading import Issuer
from evbilling.documents.layout import Document
from evbilling.languages import FALLBACK
from evbilling.read_models.statement import ACCOUNT, CONNECTOR, CORRECTION, StatementView

if TYPE_CHECKING:
    import typst

log = logging.getLogger(__name__)

_TEMPLATES = Path(__file__).parent / "templates"
_STANDARDS = ["a-2a", "ua-1"]
_CONTENTS = {
    CONNECTOR: connector_statement.contents,
    ACCOUNT: account_statement.contents,
    CORRECTION: correction.contents,
}

# A compiler serves one thread at a time, and caches what it has parsed.
_thread_local = threading.local()


def statement_pdf(
    view: StatementView, *, locale: str = FALLBACK, issuer: Issuer | None = None, addressee: str = ""
) -> bytes:
    """The statement of any kind as PDF; the same view, locale, issuer and fonts give the same bytes.

    `locale` is one of `languages.locale_of`, `addressee` the financial admin's name if known, the issuer by default
    that of the environment. A character that no font has is printed as a box, and the file is then no PDF/A: a warning
    in the log, never a failure.
    """
    document = _CONTENTS[view.header.kind](view, locale, issuer or Issuer.from_environment(os.environ), addressee)
    return document_pdf(document)


def document_pdf(document: Document) -> bytes:
    """A document as PDF."""
    folders = font_folders(os.environ)
    data = asdict(document) | {"paper": document.paper, "fonts": families(folders, document.locale)}
    inputs = {"data": json.dumps(data, default=str, ensure_ascii=False)}
    compiler = _compiler(folders)
    # Otherwise Typst would put the current time into the file.
    stamp = datetime.combine(document.dated, time(), UTC)
    import typst

    try:
        return _compiled(compiler, inputs, stamp, _STANDARDS)
    except typst.TypstError as error:
        log.warning("%s isn't PDF/A: %s", document.number, error.message)
        return _compiled(compiler, inputs, stamp, [])


def _compiled(compiler: typst.Compiler, inputs: dict[str, str], stamp: datetime, standards: list[Any]) -> bytes:
    made = compiler.compile(format="pdf", sys_inputs=inputs, pdf_standards=standards, timestamp=stamp)
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
