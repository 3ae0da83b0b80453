"""What `evbilling containers` and the sandbox's key file refuse, and where the demo keeps its hands off."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evbilling.cli.main import main
from evbilling.errors import BadInput
from evbilling_local.containers.demo import Places, run_demo
from evbilling_local.containers.setup import read_connections, read_logins

PLACES = Places("http://api-server:8080", "http://127.0.0.1:8080", "http://sandbox:12111")
OWN = {
    "charging_platform": {"host": "warehouse", "port": 5432},
    "warehouse": {"host": "warehouse", "port": 5432},
    "payment_gateway": {"host": "http://sandbox", "port": 12111},
}


def written(folder: Path, content: str) -> Path:
    file = folder / "file"
    file.write_text(content, encoding="utf-8")
    return file


def test_logins_are_read(tmp_path: Path) -> None:
    """Each section's user and password; a percent sign is one."""
    file = written(tmp_path, "[a]\nuser=one\npassword=p%40=\n[b]\nuser=two\npassword=q\n")
    assert read_logins(file) == {"one": "p%40=", "two": "q"}


@pytest.mark.parametrize("content", ["hunter2", "[a]\nuser=one\n", "[a]\npassword=hunter2\n"])
def test_a_damaged_service_file_is_refused(tmp_path: Path, content: str) -> None:
    """The message says which file it is and what to do, and quotes nothing of it."""
    with pytest.raises(BadInput, match="runbooks/containers") as refused:
        read_logins(written(tmp_path, content))
    assert "hunter2" not in str(refused.value)
    assert refused.value.where == str(tmp_path / "file")


@pytest.mark.parametrize("content", ["{", "[]", '{"warehouse": "postgresql://"}'])
def test_damaged_connections_are_refused(tmp_path: Path, content: str) -> None:
    """So are connections that aren't JSON, or no objects."""
    with pytest.raises(BadInput, match="runbooks/containers"):
        read_connections(written(tmp_path, content))
    with pytest.raises(BadInput, match="can't be read"):
        read_connections(tmp_path / "none")


@pytest.fixture
def addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The addresses of the containers, where nobody is: whoever connected would fail."""
    for kind in ("PLATFORM", "WAREHOUSE", "FINANCE"):
        monkeypatch.setenv(f"{kind}_URL", "postgresql://warehouse:5432/nowhere")


@pytest.mark.parametrize(
    ("accounts", "changed", "says"),
    [
        (0, {}, "no accounts are wanted"),
        (5, {"warehouse": {"host": "db.example", "port": 5432}}, "the connection warehouse leads elsewhere"),
        (5, {"charging_platform": {"conn_type": "fs"}}, "the connection charging_platform leads elsewhere"),
        (5, {"payment_gateway": {"password": "sk_live"}}, "the connection payment_gateway leads elsewhere"),
        (5, {"payment_gateway": {"host": "http://sandbox"}}, "the connection payment_gateway leads elsewhere"),
    ],
)
@pytest.mark.usefixtures("addresses")
def test_the_demo_keeps_off_what_is_yours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], accounts: int, changed: dict[str, Any], says: str
) -> None:
    """With any connection that leads elsewhere nothing is made up, said in one line, and that is no failure."""
    connections = written(tmp_path, json.dumps(OWN | changed))
    assert run_demo(accounts, PLACES, connections, tmp_path / "passwords.json") == 0
    assert capsys.readouterr().out == f"No month is made up: {says}.\n"


def test_a_key_file_must_hold_a_test_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The sandbox refuses another key, an empty file and none, names the file and keeps the key to itself."""
    state = str(tmp_path / "state.sqlite")
    for content in ("sk_live_1234", ""):
        file = str(written(tmp_path, content))
        assert main(["sandbox", "--port", "0", "--state", state, "--key-file", file]) == 2
        said = capsys.readouterr().err
        assert f"{file}: isn't a test key" in said
        assert "sk_live_1234" not in said
    assert main(["sandbox", "--port", "0", "--state", state, "--key-file", str(tmp_path / "none")]) == 2
    assert "can't be read" in capsys.readouterr().err


def test_an_address_that_is_not_ours_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The sandbox says where it couldn't listen, and what to give."""
    state = str(tmp_path / "state.sqlite")
    assert main(["sandbox", "--host", "203.0.113.1", "--port", "0", "--state", state]) == 2
    said = capsys.readouterr().err
    assert "203.0.113.1:0" in said
    assert "--host" in said
