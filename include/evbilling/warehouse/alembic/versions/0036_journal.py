"""The journal for the books: which postings were exported, each once, with the files and the chart of accounts."""

from __future__ import annotations

from alembic import op

from evbilling.warehouse.schema import apply_files

revision = "0036"
down_revision = "0035"


def upgrade() -> None:
    """Add the tables, and an index by which postings are found by number."""
    apply_files(op.get_bind(), "schema/changes/0036_journal.sql")
    if op.get_bind().exec_driver_sql("select to_regclass('billing.journal_export')").scalar() is None:
        apply_files(op.get_bind(), "schema/30_journal.sql")
