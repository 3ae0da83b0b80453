"""The daily run of the policies of missed months has a service level."""

from __future__ import annotations

from alembic import op

from evbilling.warehouse.schema import apply_files

revision = "0041"
down_revision = "0040"


def upgrade() -> None:
    """It is looked at from the day after a policy was set."""
    apply_files(op.get_bind(), "schema/changes/0041_level_of_missed_months.sql")
