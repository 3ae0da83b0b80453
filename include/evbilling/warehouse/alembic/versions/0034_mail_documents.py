"""What was handed to the mail server is kept: a table, and begin_mail takes its file."""

from __future__ import annotations

from alembic import op

from evbilling.warehouse.schema import apply_files

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    """Create it, and drop the function that takes no file."""
    if op.get_bind().exec_driver_sql("select to_regclass('billing.mail_document')").scalar() is None:
        apply_files(op.get_bind(), "schema/28_mail_documents.sql")
    op.execute("drop function if exists billing.begin_mail(bigint, text, text, text)")
