"""A run may be of some accounts of a month: it names them, and its DAG, and only their mail is sent."""

from __future__ import annotations

from alembic import op

from evbilling.warehouse.schema import apply_files

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    """Add the columns, and drop the functions that take fewer arguments."""
    apply_files(op.get_bind(), "schema/changes/0028_run_of_some_accounts.sql")
