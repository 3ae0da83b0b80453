"""number_drafts and attach_issue_tables are one function each: the halves that they used to call go."""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Drop them where a warehouse has them."""
    op.execute("drop function if exists billing.number_statement_drafts(bigint, bigint)")
    op.execute("drop function if exists billing.attach_statement_tables(text)")
