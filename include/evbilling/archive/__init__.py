"""Copies old periods' decisions to Parquet files and drops them from the warehouse; for its owner, not for a DAG."""

from evbilling.archive.periods import Archived, archive_period, check_files, drop_period
from evbilling.archive.record import is_dropped, refuse_archived

__all__ = ["Archived", "archive_period", "check_files", "drop_period", "is_dropped", "refuse_archived"]
