"""The DAG files and the installed evbilling are one release; DAG files of another one don't load."""

from __future__ import annotations

from evbilling import __version__
from evbilling.errors import NotReady


def require_release(release: str) -> None:
    """Raise `NotReady`, which Airflow lists as an import error, unless evbilling `release` is installed."""
    if release != __version__:
        raise NotReady(
            f"these DAG files are of evbilling {release}, and evbilling {__version__} is installed",
            fix=f"install evbilling=={release} on every Airflow component, or deploy the DAG files of {__version__}",
        )
