"""Approvals: the policy, who was asked about a plan, and what was decided."""

from __future__ import annotations

from alembic import op

from evbilling.warehouse.schema import apply_files

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    """A month that was planned and not issued before has no decision: its task `plan` makes one when it is cleared."""
    if op.get_bind().exec_driver_sql("select to_regclass('billing.plan_decision')").scalar() is None:
        apply_files(op.get_bind(), "schema/22_approvals.sql")
