"""Corrections of some statements of a month: the two functions take which."""

from __future__ import annotations

from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """Drop the functions that take one argument less."""
    op.execute("drop function if exists billing.publish_corrections(bigint, bigint, text[], text, text)")
    op.execute("drop function if exists billing.corrections_due(bigint, text[])")
