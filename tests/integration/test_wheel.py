"""What the wheel brings, file by file. That a month is billed by it, tests/e2e/test_installed.py says."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
# What is installed where, by the folder in the checkout.
PACKAGES = {
    "include/evbilling": "evbilling",
    "include/evbilling_local": "evbilling_local",
    "plugins/evbilling_airflow": "evbilling_airflow",
    "plugins/evbilling_web": "evbilling_web",
    "sql": "evbilling/sql",
}


def test_the_wheel_has_every_file(tmp_path: Path) -> None:
    """Each module, SQL file, template and static file is where the code looks for it; nothing else is installed."""
    uv = Path(sys.executable).with_name("uv")
    build = ["build", "--wheel", "--no-build-isolation", "--quiet", "--out-dir", str(tmp_path), str(REPO)]
    done = subprocess.run([str(uv), *build], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        installed = {name for name in archive.namelist() if ".dist-info/" not in name}
        (entry_points,) = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        groups = archive.read(entry_points).decode()
    expected = {
        f"{package}/{file.relative_to(REPO / folder).as_posix()}"
        for folder, package in PACKAGES.items()
        for file in (REPO / folder).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert installed == expected
    assert {"[console_scripts]", "[airflow.plugins]"} <= set(groups.splitlines())
