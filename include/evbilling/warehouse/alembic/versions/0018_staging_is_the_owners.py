"""Only the owner's functions make objects in staging: what the writer has made there goes."""

from __future__ import annotations

from alembic import op

from evbilling.warehouse.schema import apply_files

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Drop the writer's objects: scratch tables of runs under way, whose tasks say what to clear, and anything else."""
    apply_files(op.get_bind(), "schema/changes/0018_staging_is_the_owners.sql")
