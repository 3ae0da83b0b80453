"""Before all other services of docker-compose.yml: databases, roles and bucket, from the files of `make secrets`."""

from __future__ import annotations

import configparser
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from evbilling.cli.environment import resolve_url
from evbilling.errors import BadInput, NotReady, TransientError
from evbilling_local.stack.databases import make_databases, make_platform_tables, migrate_warehouse

# Removing the secrets alone would lock everybody out of the databases that know them.
FIX = "correct it, or make new ones as docs/runbooks/containers.md says"


def run_setup(service_file: Path, connections_file: Path) -> None:
    """Make what is missing, printing a line for each thing; can be repeated.

    The addresses are those of `WAREHOUSE_ADMIN_URL` and `PLATFORM_URL`. Raises `TransientError` if a server doesn't
    answer, `BadInput` if a file can't be used, `NotReady` if a password is missing.
    """
    passwords = read_logins(service_file)
    evidence = read_connections(connections_file).get("evidence", {})
    admin_url = resolve_url("warehouse_admin")
    try:
        done = [f"made the database {name}" for name in make_databases(admin_url, passwords, {"platform": "platform"})]
    except NotReady as error:
        raise NotReady(error.what, where="the service file with the logins", fix=FIX) from None
    make_platform_tables(resolve_url("platform"))
    done += [f"migrated the warehouse: {name}" for name in migrate_warehouse(admin_url, passwords)]
    for line in done or ["the databases are up to date"]:
        print(line)
    bucket = make_bucket(evidence)
    print(f"the bucket {bucket} exists" if bucket else "the evidence goes to no bucket: nothing to make")


def read_logins(service_file: Path) -> dict[str, str]:
    """The password of each role that libpq's service file names; raises `BadInput` if it isn't such a file."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(_text(service_file))
        return {parser[name]["user"]: parser[name]["password"] for name in parser.sections()}
    except (configparser.Error, KeyError):
        # Their messages quote the line at fault, which may hold a password.
        what = "isn't a service file that has a user and a password in each section"
        raise BadInput(what, where=str(service_file), fix=FIX) from None


def read_connections(path: Path) -> dict[str, dict[str, Any]]:
    """The Airflow connections of a JSON file, by name; raises `BadInput` if it isn't an object of objects."""
    try:
        content = json.loads(_text(path))
    except ValueError as error:
        raise BadInput(f"isn't JSON: {error}", where=str(path), fix=FIX) from None
    if not isinstance(content, dict) or not all(isinstance(value, dict) for value in content.values()):
        raise BadInput("isn't an object with an object for each connection", where=str(path), fix=FIX)
    return content


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"can't be read: {error}", where=str(path), fix=FIX) from None


def make_bucket(evidence: Mapping[str, Any]) -> str:
    """Make the bucket of the connection `evidence` if it doesn't exist; returns its name, "" if it names none.

    Raises `TransientError` if the store doesn't answer or refuses.
    """
    import pyarrow.fs

    extra = evidence.get("extra") or {}
    place = urlsplit(str(extra.get("url") or ""))
    if place.scheme != "s3":
        return ""
    files = pyarrow.fs.S3FileSystem(
        access_key=evidence.get("login"),
        secret_key=evidence.get("password"),
        endpoint_override=extra.get("endpoint_url"),
        # A request can't be signed without a region, and one's own store accepts any.
        region=extra.get("region_name") or "us-east-1",
        allow_bucket_creation=True,
        connect_timeout=10,
        request_timeout=30,
    )
    try:
        files.create_dir(place.netloc)
    except OSError as error:
        raise TransientError(
            f"can't make the bucket {place.netloc}: {error}",
            where=f"connection evidence ({extra.get('endpoint_url') or 'AWS'})",
            fix="check that the store runs, and the key of the connection",
        ) from None
    return place.netloc
