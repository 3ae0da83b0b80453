"""All SQL lives in named files below `sql/`; this finds them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from evbilling.errors import NotReady

SQL_ROOT = Path(__file__).resolve().parents[3] / "sql"


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
            fix="install the project as `make setup` does: its sql/ folder stays beside include/",
        ) from None
