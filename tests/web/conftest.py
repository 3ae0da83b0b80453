"""The settings of Airflow that the tests of DAGs have: whichever folder is collected first, there is one Airflow."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "dags"))

import airflow_settings  # ruff: ignore[unused-import]
