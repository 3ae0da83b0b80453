"""Indexes for the list of what is due: open plans by reason, declined attempts by code."""

from __future__ import annotations

from alembic import op

from evbilling.warehouse.schema import apply_files

revision = "0035"
down_revision = "0034"


def upgrade() -> None:
    """Add the indexes."""
    if op.get_bind().exec_driver_sql("select to_regclass('billing.attempt_declined')").scalar() is None:
        apply_files(op.get_bind(), "schema/29_due.sql")
