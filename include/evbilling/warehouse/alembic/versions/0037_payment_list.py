"""Indexes by which the page Payments reads what was paid, in the order in which it was recorded."""

from __future__ import annotations

from alembic import op

from evbilling.warehouse.schema import apply_files

revision = "0037"
down_revision = "0036"


def upgrade() -> None:
    """Add the indexes."""
    apply_files(op.get_bind(), "schema/changes/0037_payment_list.sql")
