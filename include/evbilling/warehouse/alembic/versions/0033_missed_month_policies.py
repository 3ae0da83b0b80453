"""Missed months have a policy: billed, forgiven or left to a person, by account or for all."""

from __future__ import annotations

from alembic import op

from evbilling.warehouse.schema import apply_files

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    """There is no policy yet, so each missed month waits for a person."""
    if op.get_bind().exec_driver_sql("select to_regclass('billing.missed_month_policy')").scalar() is None:
        apply_files(op.get_bind(), "schema/27_missed_month_policies.sql")
