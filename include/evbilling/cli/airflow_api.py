"""The few calls of Airflow's REST API that commands make."""

from __future__ import annotations

from typing import Any

import httpx

from evbilling.errors import EvbillingError, TransientError

_HEALTH_PARTS = {
    "metadatabase": "metadata database",
    "scheduler": "scheduler",
    "triggerer": "triggerer",
    "dag_processor": "dag-processor",
}


class AirflowApi:
    """A client with a token, or one that logs in at its first call.

    `TransientError`: no answer; `EvbillingError`: a refusal.
    """

    def __init__(self, base_url: str, user: str, password: str, *, token: str = "", proxied: bool = False) -> None:
        self._user = user
        self._password = password
        # The stack's Airflow is on loopback, where a proxy of the environment has no business.
        self._http = httpx.Client(base_url=base_url, timeout=30, trust_env=proxied)
        if token:
            self._http.headers["Authorization"] = f"Bearer {token}"

    def close(self) -> None:
        """Close the connections that are kept open between calls."""
        self._http.close()

    def unhealthy_parts(self) -> list[str]:
        """The parts of Airflow that don't report to be healthy; empty if all do."""
        try:
            answer = self._http.get("/api/v2/monitor/health", timeout=5).json()
        except (httpx.HTTPError, ValueError):
            return ["api-server"]
        return [name for key, name in _HEALTH_PARTS.items() if (answer.get(key) or {}).get("status") != "healthy"]

    def get(self, path: str, **query: Any) -> Any:
        """The decoded JSON at `path`."""
        return self._call("GET", path, params=query)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """The decoded answer to a POST of `body`."""
        return self._call("POST", path, json=body)

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        """The decoded answer to a PATCH with `body`."""
        return self._call("PATCH", path, json=body)

    def put(self, path: str) -> None:
        """PUT without a body."""
        self._call("PUT", path)

    def delete(self, path: str) -> None:
        """Delete what is at `path`."""
        self._call("DELETE", path)

    def _call(self, method: str, path: str, **extra: Any) -> Any:
        if "Authorization" not in self._http.headers:
            login = {"username": self._user, "password": self._password}
            token = self._send("POST", "/auth/token", json=login)["access_token"]
            self._http.headers["Authorization"] = f"Bearer {token}"
        return self._send(method, path, **extra)

    def _send(self, method: str, path: str, **extra: Any) -> Any:
        try:
            answer = self._http.request(method, path, **extra)
        except httpx.HTTPError as error:
            raise TransientError(f"Airflow's API doesn't answer: {error}", where=path) from error
        if answer.status_code >= 500:
            raise TransientError(f"Airflow's API failed with {answer.status_code}", where=path)
        if answer.is_error:
            raise EvbillingError(f"Airflow's API refused it with {answer.status_code}: {answer.text[:500]}", where=path)
        return answer.json() if answer.content else None
