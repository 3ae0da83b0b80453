"""Runs sql/migrations/0011_attach_statements.sql."""

from __future__ import annotations

from alembic import op

from evbilling.warehouse.scripts import run_script

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Apply the revision's SQL file as it stands."""
    run_script(op.get_bind(), "migrations/0011_attach_statements.sql")
