"""The commands of the README after `evbilling up --no-airflow`, in a shell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.stack import PLATFORM, command

pytestmark = pytest.mark.e2e

_SHELL = """
eval "$(evbilling env)"
for month in 08 09; do airflow dags test connector_statements -c '{"period": "2026-'$month'"}' || exit 1; done
psql "$FINANCE_URL" -At -c "select period, count(*) > 20 from finance.statements group by 1 order by 1"
"""


@pytest.mark.full
def test_months_are_billed_in_a_shell_without_a_process_of_airflow(tmp_path: Path) -> None:
    """`airflow dags test` finds its metadata database made, and bills one month after the other."""
    home = tmp_path / "with a blank"
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW") and not k.endswith("_URL")}
    own = {"EVBILLING_HOME": str(home), "PATH": f"{Path(sys.executable).parent}:{inherited['PATH']}"}
    try:
        command(home, "up", "--no-airflow")
        command(home, "platform", "sample", *PLATFORM)
        done = subprocess.run(
            ["bash", "-c", _SHELL], env=inherited | own, capture_output=True, text=True, check=False, timeout=600
        )
        assert done.stdout.splitlines()[-2:] == ["2026-08|t", "2026-09|t"], done.stdout[-2000:] + done.stderr[-2000:]
        assert "NOT RUNNING" not in command(home, "status")
    finally:
        command(home, "down")
