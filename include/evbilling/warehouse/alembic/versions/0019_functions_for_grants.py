"""Audit events name the session that wrote them; close_shard takes the profile, which the writer used to update."""

from __future__ import annotations

from alembic import op

from evbilling.warehouse.schema import apply_files

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Add the columns and the trigger, and drop the function that takes one argument less."""
    apply_files(op.get_bind(), "schema/16_audit_session.sql")
    op.execute("drop function if exists billing.close_shard(bigint, integer, bigint, bigint, text, text)")
