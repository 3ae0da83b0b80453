"""Environments of Python with packages of others, which tests run beside the product."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.programs import do_without


def python_with(*packages: str) -> Path:
    """The interpreter of an environment with the packages, as `name==version`.

    It is made once and kept in the temporary folder; without it the test is skipped with a reason.
    """
    name = "-".join(package.replace("==", "-") for package in packages)
    home = Path(tempfile.gettempdir()) / f"evbilling-{name}-{sys.version_info[0]}.{sys.version_info[1]}"
    python, made = home / "bin" / "python", home / "made"
    if made.exists():
        return python
    steps = (
        [sys.executable, "-m", "venv", "--clear", str(home)],
        [str(python), "-m", "pip", "install", "--quiet", *packages],
    )
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            do_without(f"{name} can't be installed: {done.stderr.strip()[-300:]}")
    made.touch()
    return python
