"""`make setup` in a folder with blanks in its path: what it starts, and with which environment."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.support.programs import program

REPO = Path(__file__).resolve().parents[2]
# In place of .venv's Python and uv: writes down how it was called.
RECORDER = """#!/bin/sh
printf '%s|%s|%s|%s\\n' "$0 $*" "$VIRTUAL_ENV" "$UV_SYSTEM_CERTS" "$SSL_CERT_FILE" >> called
"""


def setup(folder: Path, **given: str) -> list[list[str]]:
    """What `make setup` starts in `folder`: command, VIRTUAL_ENV, UV_SYSTEM_CERTS and SSL_CERT_FILE of each."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(REPO / name, folder)
    for name in ("python", "uv"):
        file = folder / ".venv" / "bin" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(RECORDER, encoding="utf-8")
        file.chmod(0o755)
    inherited = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    make = program("make", "install Debian's package make")
    made = subprocess.run(
        [make, "setup"], cwd=folder, env=inherited | given, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    return [line.split("|") for line in (folder / "called").read_text(encoding="utf-8").splitlines()]


def test_setup_in_a_folder_with_blanks_installs_into_its_own_environment(tmp_path: Path) -> None:
    """uv gets the whole path, and trusts the certificates of the system, which know a proxy that inspects TLS."""
    folder = tmp_path / "with a blank, an 'and' & a $HOME"
    folder.mkdir()
    called = setup(folder)
    installs = [line for line in called if "uv pip install" in line[0]]
    assert len(installs) == 2
    assert {line[1] for line in installs} == {f"{folder}/.venv"}
    assert {line[2] for line in installs} == {"1"}
    assert (folder / ".venv" / ".installed").exists()


def test_setup_leaves_certificates_to_those_who_name_their_own(tmp_path: Path) -> None:
    """A bundle that pip is given is uv's too; what is set for uv itself stays."""
    (first := tmp_path / "pip").mkdir()
    (second := tmp_path / "uv").mkdir()
    assert {tuple(line[2:]) for line in setup(first, PIP_CERT="/etc/a bundle.pem")} == {("1", "/etc/a bundle.pem")}
    own = {"PIP_CERT": "/etc/a.pem", "SSL_CERT_FILE": "/etc/b.pem", "UV_SYSTEM_CERTS": "0"}
    assert {tuple(line[2:]) for line in setup(second, **own)} == {("0", "/etc/b.pem")}
