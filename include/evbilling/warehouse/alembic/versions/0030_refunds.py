"""Refunds through the gateway: a table of what was asked for."""

from __future__ import annotations

from alembic import op

from evbilling.warehouse.schema import apply_files

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    """A refund is on record before the gateway is called."""
    if op.get_bind().exec_driver_sql("select to_regclass('billing.refund_attempt')").scalar() is None:
        apply_files(op.get_bind(), "schema/24_refunds.sql")
