"""Service levels: time limits, what tasks report of their runs, alerts."""

from __future__ import annotations

from alembic import op

from evbilling.warehouse.schema import apply_files

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """The warehouse knows what should have happened by when."""
    if op.get_bind().exec_driver_sql("select to_regclass('billing.service_level_policy')").scalar() is None:
        apply_files(op.get_bind(), "schema/19_service_levels.sql")
