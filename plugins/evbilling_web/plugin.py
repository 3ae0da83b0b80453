"""The only Airflow plugin of evbilling: its guarded pages, their place in Airflow's navigation, what runs call."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from evbilling_airflow import ended_runs, notes
from evbilling_web.navigation import NAVIGATION


class EvbillingPlugin(AirflowPlugin):
    """Pages below /evbilling, each behind Airflow's own sign-in."""

    name = "evbilling"
    listeners: list[Any] = [notes, ended_runs]  # ruff: ignore[mutable-class-default]  # as Airflow declares it
    external_views: list[Any] = [  # ruff: ignore[mutable-class-default]  # as Airflow declares it
        {
            "name": name,
            # Without a leading slash the address also works where Airflow is served below a path of its own.
            "href": f"evbilling{path}",
            "url_route": f"ev-{path.strip('/')}",
            "destination": "nav",
            "category": "EV Billing",
        }
        for path, name in NAVIGATION
    ]

    # Every process of Airflow loads plugins, but only the API server asks for their apps.
    @cached_property
    def fastapi_apps(self) -> list[Any]:  # type: ignore[override]
        """The app with all pages."""
        from evbilling_web.app import create_app

        return [{"name": "evbilling", "app": create_app(), "url_prefix": "/evbilling"}]
