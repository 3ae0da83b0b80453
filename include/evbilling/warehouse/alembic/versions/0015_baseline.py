"""All tables, as revisions 0001 to 0015 left them: a warehouse at 0015 needs nothing of it."""

from __future__ import annotations

from alembic import op

from evbilling.warehouse.schema import apply_files

revision = "0015"
down_revision = None

_AREAS = (
    "01_foundation",
    "02_runs",
    "03_settings",
    "04_audit",
    "05_statements",
    "06_connector_decisions",
    "07_payments",
    "08_ledger",
    "09_standings",
    "10_corrections",
    "11_account_statements",
    "12_reconciliation",
    "13_archive",
    "14_mail",
)


def upgrade() -> None:
    """Make the tables area by area, each after the functions that its columns, indexes and triggers call."""
    # The functions name tables that come later. `migrate` creates all of them again, with their bodies checked.
    op.execute("set local check_function_bodies = off")
    apply_files(op.get_bind(), *(f"schema/{area}.sql" for area in _AREAS))
    op.execute("set local check_function_bodies = on")
