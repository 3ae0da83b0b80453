"""The only Airflow plugin of evbilling: mounts its guarded pages and puts them into Airflow's navigation."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from evbilling_web.navigation import NAVIGATION


class EvbillingPlugin(AirflowPlugin):
    """Pages below /evbilling, each behind Airflow's own sign-in."""

    name = "evbilling"
    external_views: ClassVar[list[dict[str, Any]]] = [
        {
            "name": words,
            # Without a slash at its beginning an address also works where Airflow is below a path of its own.
            "href": f"evbilling{place}",
            "url_route": f"ev-{place.strip('/')}",
            "destination": "nav",
            "category": "EV Billing",
        }
        for place, words in NAVIGATION
    ]

    # Every process of Airflow loads plugins, but only the API server asks for their apps: others needn't import them.
    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:
        """The app with all pages."""
        from evbilling_web.app import create_app

        return [{"name": "evbilling", "app": create_app(), "url_prefix": "/evbilling"}]
