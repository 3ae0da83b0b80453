"""What the gateway refuses for a reason of ours; what it says of disputes and of its mode, live or test."""

from __future__ import annotations

from alembic import op

from evbilling.warehouse.schema import apply_files

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Another outcome of attempts, which leaves the occasion free, and more columns of the gateway's payments."""
    apply_files(op.get_bind(), "schema/changes/0021_refusals_and_disputes.sql")
    if op.get_bind().exec_driver_sql("select to_regclass('billing.one_attempt_on_an_occasion')").scalar() is None:
        apply_files(op.get_bind(), "schema/17_refusals.sql")
