"""PDFs of helper processes are those of this one, and a helper that dies costs no document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psutil
import pytest

from evbilling.documents import Issuer, Renderer, statement_pdf
from tests.support.statement_views import connector_view

ISSUER = Issuer("Volt GmbH")


@pytest.fixture
def renderer() -> Iterator[Renderer]:
    renderer = Renderer()
    yield renderer
    renderer.close()


def made(renderer: Renderer, view: Any) -> bytes:
    return renderer.pdf(view, "de_DE", ISSUER, "Ann")


def test_a_helpers_pdf_is_ours(renderer: Renderer) -> None:
    """The same bytes, whatever the name in it; closed, the process is gone."""
    for name in ("Fleet GmbH", "<script> شركة 充電 ⚡"):
        view = connector_view(name=name)
        assert made(renderer, view) == statement_pdf(view, locale="de_DE", issuer=ISSUER, addressee="Ann")
    assert renderer._process is not None
    pid = renderer._process.pid
    renderer.close()
    assert not psutil.pid_exists(pid)


def test_a_killed_helper_costs_nothing(renderer: Renderer) -> None:
    """The document under way is made here, the next by a new helper."""
    view = connector_view()
    first = made(renderer, view)
    assert renderer._process is not None
    killed = renderer._process
    killed.kill()
    assert made(renderer, view) == first
    assert made(renderer, view) == first
    assert renderer._process is not None
    assert renderer._process.pid != killed.pid


def test_a_document_that_cant_be_made_is_an_error(renderer: Renderer) -> None:
    """Of that document: the helper goes on with the next."""
    view = connector_view()
    with pytest.raises(RuntimeError, match="nonsense"):
        made(renderer, replace(view, header=replace(view.header, kind="nonsense")))
    assert made(renderer, view).startswith(b"%PDF-")
