"""What should have happened by when, as the warehouse knows it, and what tasks report of their runs."""

from evbilling.service_levels.levels import (
    LEVELS,
    ServiceLevel,
    how_late,
    read_service_levels,
    record_dag_event,
    with_airflow,
)

__all__ = ["LEVELS", "ServiceLevel", "how_late", "read_service_levels", "record_dag_event", "with_airflow"]
