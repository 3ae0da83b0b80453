"""record_outcomes takes the claim of a conclusion, and returns what became a break: the old one goes."""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Drop it where a warehouse has it."""
    texts = ", ".join(["text[]"] * 6)
    op.execute(f"drop function if exists billing.record_outcomes(bigint[], {texts})")
