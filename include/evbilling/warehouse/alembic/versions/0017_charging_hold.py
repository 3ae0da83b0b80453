"""Charging is put on hold after a restore: its tables."""

from __future__ import annotations

from alembic import op

from evbilling.warehouse.schema import apply_files

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Create them."""
    apply_files(op.get_bind(), "schema/15_restores.sql")
