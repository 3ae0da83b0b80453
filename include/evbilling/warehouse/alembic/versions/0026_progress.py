"""How far the long steps are: a table."""

from __future__ import annotations

from alembic import op

from evbilling.warehouse.schema import apply_files

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    """Create it."""
    if op.get_bind().exec_driver_sql("select to_regclass('billing.progress')").scalar() is None:
        apply_files(op.get_bind(), "schema/21_progress.sql")
