"""Missed months can be forgiven: a table of what was, by whom and why."""

from __future__ import annotations

from alembic import op

from evbilling.warehouse.schema import apply_files

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    """Nothing is forgiven yet."""
    if op.get_bind().exec_driver_sql("select to_regclass('billing.forgiveness')").scalar() is None:
        apply_files(op.get_bind(), "schema/25_forgiveness.sql")
