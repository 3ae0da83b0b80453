"""Addresses that pages give."""

from __future__ import annotations

import pytest

from evbilling_web.links import airflow_run

pytestmark = pytest.mark.airflow


@pytest.mark.parametrize(("root", "airflow"), [("/evbilling", ""), ("/af/evbilling", "/af"), ("", "")])
def test_a_run_in_airflow_has_its_address_beside_the_pages(root: str, airflow: str) -> None:
    """Also where Airflow has a path of its own; a run id's letters mean nothing in an address."""
    assert airflow_run(root, "rebill", "manual__2026-11-01T12:00:00+00:00") == (
        f"{airflow}/dags/rebill/runs/manual__2026-11-01T12%3A00%3A00%2B00%3A00"
    )
