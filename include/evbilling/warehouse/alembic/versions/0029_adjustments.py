"""Adjustments by hand: credits, debits, write-offs, credits sent back; their tables, and kinds of transfers."""

from __future__ import annotations

from alembic import op

from evbilling.warehouse.schema import apply_files

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    """A debt goes to an account of its own if it is written off; money sent back by other ways is due back."""
    apply_files(op.get_bind(), "schema/changes/0029_adjustments.sql")
    if op.get_bind().exec_driver_sql("select to_regclass('billing.adjustment')").scalar() is None:
        apply_files(op.get_bind(), "schema/23_adjustments.sql")
