"""All SQL lives in named files below `sql/`; this finds them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from evbilling.errors import NotReady

_PACKAGE = Path(__file__).resolve().parents[1]

# The wheel has the folder within the package; a checkout has it beside `include/`.
SQL_ROOT = next((folder for folder in (_PACKAGE / "sql", _PACKAGE.parents[1] / "sql") if folder.is_dir()), _PACKAGE)


@cache
def load_sql(name: str) -> str:
    """The text of `sql/<name>`, for example `queries/extract_inventory.sql`; raises `NotReady` if it isn't there."""
    path = SQL_ROOT / name
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotReady(
            f"there is no SQL file {name}",
            where=str(SQL_ROOT),
            fix="install evbilling again: its wheel brings the SQL",
        ) from None
