"""What chargers are called is kept as of each count, a row for each change."""

from __future__ import annotations

from alembic import op

from evbilling.warehouse.schema import apply_files

revision = "0039"
down_revision = "0038"


def upgrade() -> None:
    """Months counted before have no names: their chargers are shown by their ids."""
    apply_files(op.get_bind(), "schema/changes/0039_names.sql")
    if op.get_bind().exec_driver_sql("select to_regclass('billing.charger_name')").scalar() is None:
        apply_files(op.get_bind(), "schema/31_names.sql")
