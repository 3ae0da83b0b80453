"""A bucket's URL with what its Airflow connection says of the way in: key, endpoint, region."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from airflow.sdk import Connection

from evbilling.errors import BadInput

# Airflow's own names for connections to AWS, and those of the URL.
_EXTRA = {
    "endpoint_url": "endpoint_url",
    "region": "region",
    "region_name": "region",
    "session_token": "session_token",
    "aws_session_token": "session_token",
    "tls_ca_file_path": "tls_ca_file_path",
}


def with_access(connection: Connection, location: str) -> str:
    """`location` with the connection's access in it if it is an s3:// URL, else as it is.

    The connection's login is the access key, its password the secret; where it has neither, AWS's environment counts.
    Raises `BadInput` for half a key.
    """
    if not location.startswith("s3://"):
        return location
    parts = urlsplit(location)
    user, _, bucket = parts.netloc.rpartition("@")
    login, secret = (connection.login or "").strip(), (connection.password or "").strip()
    if bool(login) != bool(secret):
        raise BadInput(
            "has half a key",
            where=f"Airflow connection {connection.conn_id}",
            fix="give the access key as its login and the secret as its password, or neither",
        )
    if login:
        user = f"{quote(login, safe='')}:{quote(secret, safe='')}"
    options = _options(connection.extra_dejson) | dict(parse_qsl(parts.query))
    netloc = f"{user}@{bucket}" if user else bucket
    return urlunsplit(parts._replace(netloc=netloc, query=urlencode(options, quote_via=quote)))


def _options(extra: Mapping[str, Any]) -> dict[str, str]:
    return {option: str(extra[name]) for name, option in _EXTRA.items() if extra.get(name)}
