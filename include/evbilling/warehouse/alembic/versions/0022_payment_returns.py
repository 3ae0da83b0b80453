"""Refunds and lost disputes that are acknowledged: their table, and two kinds of transfers."""

from __future__ import annotations

from alembic import op

from evbilling.warehouse.schema import apply_files

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Money goes back from cash to receivable, and from there to an account of its own if it is given up."""
    apply_files(op.get_bind(), "schema/changes/0022_payment_returns.sql")
    if op.get_bind().exec_driver_sql("select to_regclass('billing.payment_return')").scalar() is None:
        apply_files(op.get_bind(), "schema/18_returns.sql")
