"""Runs sql/migrations/0014_mail.sql."""

from __future__ import annotations

from alembic import op

from evbilling.warehouse.scripts import run_script

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Apply the revision's SQL file as it stands."""
    run_script(op.get_bind(), "migrations/0014_mail.sql")
