"""Runs sql/migrations/0009_month_end.sql."""

from __future__ import annotations

from alembic import op

from evbilling.warehouse.scripts import run_script

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Apply the revision's SQL file as it stands."""
    run_script(op.get_bind(), "migrations/0009_month_end.sql")
