"""Airflow connections as the URLs that the product takes. Replacing a service means replacing its connection."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from airflow.sdk import Connection

from evbilling.errors import BadInput
from evbilling.statements.services import Services

CHARGING_PLATFORM = "charging_platform"
WAREHOUSE = "warehouse"
EVIDENCE = "evidence"

_POSTGRES = {"postgres", "postgresql"}


def services(*, with_platform: bool = True) -> Services:
    """The services of a month, from the connections charging_platform, warehouse and evidence.

    Pages that only look at what is kept do without the platform, and work where it isn't defined.
    """
    return Services(
        platform_url=_location(CHARGING_PLATFORM) if with_platform else "",
        warehouse_url=_postgres_url(_connection(WAREHOUSE)),
        evidence_url=_location(EVIDENCE),
    )


def _connection(connection_id: str) -> Connection:
    try:
        return Connection.get(connection_id)
    except Exception as error:
        raise BadInput(
            f"there is no Airflow connection {connection_id}",
            fix=f"define it, for example by the environment variable AIRFLOW_CONN_{connection_id.upper()}",
        ) from error


def _location(connection_id: str) -> str:
    """A database's URL, or that of a folder: the connection's extra `path` or `url`, or its own URI."""
    connection = _connection(connection_id)
    if connection.conn_type in _POSTGRES:
        return _postgres_url(connection)
    extra = connection.extra_dejson
    if location := extra.get("url") or extra.get("path"):
        return str(location)
    host, path = connection.host or "", (connection.schema or "").lstrip("/")
    if connection.conn_type in {"file", "fs"}:
        return f"/{path}" if not host else f"/{host}/{path}"
    if not connection.conn_type or not host:
        raise BadInput(
            f"Airflow connection {connection_id} names no place",
            fix='give it as postgresql://…, or with extra {"path": "/folder"} or {"url": "s3://bucket/folder"}',
        )
    port = f":{connection.port}" if connection.port else ""
    return f"{connection.conn_type}://{host}{port}/{path}"


def _postgres_url(connection: Connection) -> str:
    if connection.conn_type not in _POSTGRES:
        raise BadInput(
            f"Airflow connection {connection.conn_id} is of type {connection.conn_type}",
            fix="make it one of type postgres",
        )
    login = quote(connection.login or "", safe="")
    password = f":{quote(connection.password, safe='')}" if connection.password else ""
    at = f"{login}{password}@" if login else ""
    port = f":{connection.port}" if connection.port else ""
    # Airflow keeps libpq's own options (sslmode, host of a socket, …) in the extra field.
    options = {k: v for k, v in connection.extra_dejson.items() if isinstance(v, str | int) and k != "__extra__"}
    # libpq takes a plus sign for itself, not for a blank.
    query = f"?{urlencode(options, quote_via=quote)}" if options else ""
    host = connection.host or ""
    host = f"[{host}]" if ":" in host and "," not in host else host
    return f"postgresql://{at}{host}{port}/{quote(connection.schema or '', safe='')}{query}"
