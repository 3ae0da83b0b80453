"""The platform's tables in a Postgres database: for the pipeline, for pages, and users and accounts by their ids."""

from evbilling.platform.postgres.lookup import PostgresLookup
from evbilling.platform.postgres.queries import read_rows
from evbilling.platform.postgres.source import PostgresSource

__all__ = ["PostgresLookup", "PostgresSource", "read_rows"]
