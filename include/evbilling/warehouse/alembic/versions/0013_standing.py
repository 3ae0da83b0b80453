"""Runs sql/migrations/0013_standing.sql."""

from __future__ import annotations

from alembic import op

from evbilling.warehouse.scripts import run_script

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Apply the revision's SQL file as it stands."""
    run_script(op.get_bind(), "migrations/0013_standing.sql")
