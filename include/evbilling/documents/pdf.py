"""Statements as PDF, set by Typst: tagged, archivable (PDF/A-2a), accessible (PDF/UA-1), the same bytes each time."""

from __future__ import annotations

import json
import logging
import os
import threading
from datetime import UTC, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evbilling.documents import account_statement, connector_statement, correction
from evbilling.documents.fonts import families, font_folders, load_fonts
from evbilling.documents.formats import FALLBACK
from evbilling.documents.heading import Issuer
from evbilling.documents.layout import Document, Section, Table, Text
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

    `locale` (see `formats.locale_of`) writes amounts and dates, `addressee` is the financial admin's name if known, the
    issuer is by default that of the environment. A character that no font has is printed as a box, and the file is then
    no PDF/A: a warning in the log, never a failure.
    """
    document = _CONTENTS[view.header.kind](view, locale, issuer or Issuer.from_environment(os.environ), addressee)
    return document_pdf(document)


def document_pdf(document: Document) -> bytes:
    """A document as PDF."""
    folders = font_folders(os.environ)
    inputs = {"data": json.dumps(_data(document, families(folders, document.locale)), ensure_ascii=False)}
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


def _data(document: Document, fonts: tuple[str, ...]) -> dict[str, Any]:
    """The document as the template takes it."""
    return {
        "title": document.title,
        "number": document.number,
        "author": document.issuer[0].text if document.issuer else "",
        "dated": [document.dated.year, document.dated.month, document.dated.day],
        "paper": document.paper,
        "fonts": fonts,
        "issuer": _texts(document.issuer),
        "addressee-label": document.addressee_label,
        "addressee": _texts(document.addressee),
        "facts": [{"label": label, "value": _text(value)} for label, value in document.facts],
        "amounts": [{"label": a.label, "value": a.value, "sum": a.is_sum} for a in document.amounts],
        "sections": [_section(section) for section in document.sections],
    }


def _section(section: Section) -> dict[str, Any]:
    return {
        "title": section.title,
        "sentences": _texts(section.sentences),
        "table": _table(section.table) if section.table else None,
        "after": _texts(section.after),
    }


def _table(table: Table) -> dict[str, Any]:
    return {
        "columns": [{"title": c.title, "number": c.is_number, "share": c.share} for c in table.columns],
        "rows": [_texts(row) for row in table.rows],
        "foot": _texts(table.foot),
    }


def _texts(texts: tuple[Text, ...]) -> list[dict[str, Any]]:
    return [_text(text) for text in texts]


def _text(text: Text) -> dict[str, Any]:
    return {"text": text.text, "rtl": text.is_right_to_left}
