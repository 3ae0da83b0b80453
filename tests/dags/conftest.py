"""One DagBag for the tests of DAGs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import airflow_settings


@pytest.fixture(scope="session")
def dag_bag() -> Any:
    """The repository's DAG files as Airflow parses them."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(str(airflow_settings.DAGS))
