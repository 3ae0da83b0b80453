"""Runs sql/migrations/0012_undo_paid_outside.sql."""

from __future__ import annotations

from alembic import op

from evbilling.warehouse.scripts import run_script

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Apply the revision's SQL file as it stands."""
    run_script(op.get_bind(), "migrations/0012_undo_paid_outside.sql")
