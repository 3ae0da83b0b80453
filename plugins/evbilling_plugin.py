"""The only Airflow plugin of evbilling: mounts its guarded pages."""

from __future__ import annotations

from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from evbilling_web.app import create_app


class EvbillingPlugin(AirflowPlugin):
    """Pages below /evbilling, each behind Airflow's own sign-in."""

    name = "evbilling"
    fastapi_apps: ClassVar[list[dict[str, Any]]] = [
        {"name": "evbilling", "app": create_app(), "url_prefix": "/evbilling"}
    ]
