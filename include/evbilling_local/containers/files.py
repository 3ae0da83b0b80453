"""The files that hold the logins of docker-compose.yml, as `make secrets` writes them."""

from __future__ import annotations

import configparser
import json
from pathlib import Path
from typing import Any

from evbilling.errors import BadInput

# Removing the secrets alone would lock everybody out of the databases that know them.
FIX = "correct it, or make all anew as docs/runbooks/containers.md says"


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
