"""Plans: what a month would issue, and how that differs from the month before."""

from __future__ import annotations

from alembic import op

from evbilling.warehouse.schema import apply_files

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    """Tables of plans, their accounts and changes."""
    if op.get_bind().exec_driver_sql("select to_regclass('billing.plan')").scalar() is None:
        apply_files(op.get_bind(), "schema/20_plans.sql")
