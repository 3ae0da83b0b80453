"""The five tables as CSV and Parquet files: found, checked, read as Arrow batches, copied into Postgres."""

from evbilling.platform.files.checks import AMOUNT
from evbilling.platform.files.tables import check_files, copy_batches, copy_into, csv_bytes, open_table, open_tables

__all__ = [
    "AMOUNT",
    "check_files",
    "copy_batches",
    "copy_into",
    "csv_bytes",
    "open_table",
    "open_tables",
]
