"""Runs sql/migrations/0001_billing_record.sql."""

from __future__ import annotations

from alembic import op

from evbilling.warehouse.scripts import run_script

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Apply the revision's SQL file as it stands."""
    run_script(op.get_bind(), "migrations/0001_billing_record.sql")
