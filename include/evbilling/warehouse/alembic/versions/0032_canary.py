"""A canary: the policy's number of statements, which of a plan they are, and when they were issued."""

from __future__ import annotations

from alembic import op

from evbilling.warehouse.schema import apply_files

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    """Add the columns and the table, and drop the function that records a policy without a canary."""
    apply_files(op.get_bind(), "schema/changes/0032_canary.sql")
    if op.get_bind().exec_driver_sql("select to_regclass('billing.plan_canary')").scalar() is None:
        apply_files(op.get_bind(), "schema/26_canary.sql")
