"""A canary may be picked: whoever approves a plan names its accounts."""

from __future__ import annotations

from alembic import op

from evbilling.warehouse.schema import apply_files

revision = "0038"
down_revision = "0037"


def upgrade() -> None:
    """Add the column that says by whom, and drop the function that only knew the rule."""
    apply_files(op.get_bind(), "schema/changes/0038_picked_canary.sql")
