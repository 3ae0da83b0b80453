"""Airflow connections as the URLs that the product takes. Replacing a service means replacing its connection."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from airflow.sdk import Connection, conf

from evbilling.errors import BadInput
from evbilling.services import Services
from evbilling_airflow.object_store import with_access
from evbilling_airflow.watching import current_progress

if TYPE_CHECKING:
    from evbilling.alerts import AlertSettings
    from evbilling.mail import SmtpSettings
    from evbilling.payments import PaymentServices
    from evbilling.payments.gateway import GatewaySettings
    from evbilling.payments.retries import Policy

CHARGING_PLATFORM = "charging_platform"
WAREHOUSE = "warehouse"
EVIDENCE = "evidence"
PAYMENT_GATEWAY = "payment_gateway"
SMTP = "smtp"
ALERTS = "alerts"

_POSTGRES = {"postgres", "postgresql"}


def services(*, with_platform: bool = True) -> Services:
    """The services of a month, from the connections charging_platform, warehouse and evidence.

    Pages that only look at what is kept do without the platform, and work where it isn't defined.
    """
    return Services(
        platform_url=_location(CHARGING_PLATFORM) if with_platform else "",
        warehouse_url=warehouse_url(),
        evidence_url=_location(EVIDENCE),
        progress=current_progress(),
    )


def warehouse_url() -> str:
    """The warehouse as the writer, from the connection warehouse."""
    return _postgres_url(_connection(WAREHOUSE))


@contextmanager
def payment_services() -> Generator[PaymentServices, None, None]:
    """The payment services, with a gateway that is paced together with all others; from the connections.

    Raises `BadInput` if the connection payment_gateway is missing or makes no sense.
    """
    from evbilling.payments import open_payment_services

    connection = _connection(PAYMENT_GATEWAY)
    with open_payment_services(services(), gateway_settings(connection), _policy(connection)) as opened:
        yield opened


def preview_services() -> PaymentServices:
    """Payment services for previews: without a gateway or a client of one.

    Raises `BadInput` if the connection payment_gateway is missing or makes no sense.
    """
    from evbilling.payments import PaymentServices

    return PaymentServices(services(), policy=_policy(_connection(PAYMENT_GATEWAY)))


def _policy(connection: Connection) -> Policy:
    from evbilling.payments.retries import Policy

    return Policy(most_in_30_days=_number(connection.extra_dejson, "most_in_30_days", int, Policy().most_in_30_days))


def gateway_settings(connection: Connection) -> GatewaySettings:
    """Key, address and pace from the connection payment_gateway: the key is its password, all else has defaults."""
    from evbilling.payments.gateway import GatewaySettings

    key = (connection.password or "").strip()
    if not key:
        raise BadInput(
            "no key is given for the payment gateway",
            where=f"Airflow connection {PAYMENT_GATEWAY}",
            fix="give the gateway's secret key as the connection's password",
        )
    extra, default = connection.extra_dejson, GatewaySettings(key)
    return GatewaySettings(
        key,
        api_base=_address(connection),
        timeout_seconds=_number(extra, "timeout_seconds", float, default.timeout_seconds),
        max_network_retries=_number(extra, "max_network_retries", int, default.max_network_retries),
        rate_per_second=_number(extra, "rate_per_second", float, default.rate_per_second),
        livemode=_mode(extra),
    )


def _mode(extra: Mapping[str, Any]) -> bool | None:
    if "livemode" not in extra:
        return None
    mode = {"true": True, "false": False}.get(str(extra["livemode"]).lower())
    if mode is None:
        raise BadInput(
            f"livemode is {extra['livemode']!r}",
            where=f"Airflow connection {PAYMENT_GATEWAY}, extra",
            fix="give true for real payments, false for tests, or leave it out",
        )
    return mode


def smtp_settings() -> SmtpSettings | None:
    """The mail server, from the connection smtp, named as Airflow's SMTP provider does; None if there is none.

    Raises `BadInput` if the connection makes no sense.
    """
    from evbilling.mail import mail_server

    connection = _optional(SMTP)
    return mail_server(connection) if connection else None


def alert_settings() -> AlertSettings:
    """Where alerts go, from the connections alerts and smtp; nowhere if there is no connection alerts.

    Raises `BadInput` if one of them makes no sense.
    """
    from evbilling.alerts import AlertSettings

    connection = _optional(ALERTS)
    if not connection:
        return AlertSettings()
    pages = {"airflow_url": conf.get("api", "base_url", fallback="")}
    return AlertSettings.from_extra(pages | connection.extra_dejson, smtp_settings())


def _optional(connection_id: str) -> Connection | None:
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        connection: Connection = Connection.get(connection_id)
    except AirflowNotFoundException:
        return None
    return connection


def _address(connection: Connection) -> str | None:
    if not connection.host:
        return None
    host = connection.host.rstrip("/")
    if "://" not in host:
        # Airflow keeps the scheme of a URL such as http://https%3A%2F%2Fhost in the schema field, or has none.
        host = f"{connection.schema or 'https'}://{host}"
    return f"{host}:{connection.port}" if connection.port else host


def _number(extra: Mapping[str, Any], name: str, kind: type, default: Any) -> Any:
    if name not in extra:
        return default
    try:
        value = kind(str(extra[name]))
    except ValueError:
        value = None
    if value is None or not value >= 0 or (value == 0 and name != "max_network_retries"):
        raise BadInput(
            f"{name} is {extra[name]!r}",
            where=f"Airflow connection {PAYMENT_GATEWAY}, extra",
            fix=f"give a number such as {default}",
        )
    return value


def _connection(connection_id: str) -> Connection:
    try:
        connection: Connection = Connection.get(connection_id)
    except Exception as error:
        raise BadInput(
            f"there is no Airflow connection {connection_id}",
            fix=f"define it, for example by the environment variable AIRFLOW_CONN_{connection_id.upper()}",
        ) from error
    return connection


def _location(connection_id: str) -> str:
    """A database's URL, or that of a folder: the connection's extra `path` or `url`, or its own URI.

    That of a bucket holds the connection's key, so it is a secret as a database's is.
    """
    connection = _connection(connection_id)
    if connection.conn_type in _POSTGRES:
        return _postgres_url(connection)
    return with_access(connection, _folder(connection))


def _folder(connection: Connection) -> str:
    extra = connection.extra_dejson
    if location := extra.get("url") or extra.get("path"):
        return str(location)
    host, path = connection.host or "", (connection.schema or "").lstrip("/")
    if connection.conn_type in {"file", "fs"}:
        return f"/{path}" if not host else f"/{host}/{path}"
    if not connection.conn_type or not host:
        raise BadInput(
            f"Airflow connection {connection.conn_id} names no place",
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
