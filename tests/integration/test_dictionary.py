"""The data dictionary in docs/ is the warehouse's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evbilling.cli.reference import data_dictionary

pytestmark = pytest.mark.postgres


def test_data_dictionary_is_current(warehouse_db: Any) -> None:
    """docs/data-dictionary.md is what `evbilling dictionary` prints."""
    document = Path(__file__).resolve().parents[2] / "docs" / "data-dictionary.md"

    assert data_dictionary(warehouse_db.writer_url) == document.read_text(encoding="utf-8")
