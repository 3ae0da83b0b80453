"""The one-shot before all others: databases, roles and bucket of the containers."""

from __future__ import annotations

from pathlib import Path

from evbilling.cli.environment import resolve_url
from evbilling_local.containers.bucket import make_bucket
from evbilling_local.containers.databases import prepare_databases
from evbilling_local.containers.files import read_connections, read_logins


def run_setup(service_file: Path, connections_file: Path) -> None:
    """Make what is missing, printing a line for each thing; safe to repeat.

    The addresses are those of `WAREHOUSE_ADMIN_URL` and `PLATFORM_URL`. Raises `TransientError` if a server doesn't
    answer, `BadInput` if a file can't be used.
    """
    passwords = read_logins(service_file)
    evidence = read_connections(connections_file).get("evidence", {})
    done = prepare_databases(resolve_url("warehouse_admin"), resolve_url("platform"), passwords)
    for line in done or ["the databases are up to date"]:
        print(line)
    bucket = make_bucket(evidence)
    print(f"the bucket {bucket} is there" if bucket else "the evidence goes to no bucket: nothing to make")
