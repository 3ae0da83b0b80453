"""The Postgres warehouse: connections, named SQL files, migrations; the module `runs` has the run record."""

from evbilling.warehouse.clock import agreed_clock, read_clock
from evbilling.warehouse.connect import connected, record_batches, shown, snapshot
from evbilling.warehouse.database_errors import explained, may_come_back
from evbilling.warehouse.pool import ReadingPool
from evbilling.warehouse.query import (
    compose,
    copy_frame,
    execute,
    execute_many,
    fetch_all,
    fetch_as,
    fetch_dicts,
    fetch_frame,
    fetch_one,
    fetch_table,
    fetch_value,
    load_sql,
    select_row,
    select_value,
)
from evbilling.warehouse.schema import migrate, require_newest_schema

__all__ = [
    "ReadingPool",
    "agreed_clock",
    "compose",
    "connected",
    "copy_frame",
    "execute",
    "execute_many",
    "explained",
    "fetch_all",
    "fetch_as",
    "fetch_dicts",
    "fetch_frame",
    "fetch_one",
    "fetch_table",
    "fetch_value",
    "load_sql",
    "may_come_back",
    "migrate",
    "read_clock",
    "record_batches",
    "require_newest_schema",
    "select_row",
    "select_value",
    "shown",
    "snapshot",
]
