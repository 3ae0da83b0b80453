"""What should have happened by when, as the warehouse knows it, and what tasks report of their runs."""

from evbilling.service_levels.levels import (
    LEVELS,
    ServiceLevel,
    how_late,
    read_service_levels,
    record_dag_event,
    with_airflow,
)
from evbilling.service_levels.time_limits import (
    COUNTED_FROM,
    RecordedTimeLimit,
    TimeLimit,
    parse_time_limit,
    set_time_limit,
    time_limits,
)

__all__ = [
    "COUNTED_FROM",
    "LEVELS",
    "RecordedTimeLimit",
    "ServiceLevel",
    "TimeLimit",
    "how_late",
    "parse_time_limit",
    "read_service_levels",
    "record_dag_event",
    "set_time_limit",
    "time_limits",
    "with_airflow",
]
