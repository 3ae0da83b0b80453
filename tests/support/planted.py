"""Planted faults: read from tests/planted, put into a copy of the project, and judged there by their tests."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
FOLDER = REPO / "tests" / "planted"

# What a test of the copy needs.
_COPIED = ("include", "plugins", "dags", "sql", "tests", "pyproject.toml", "README.md")
_NOT_COPIED = shutil.ignore_patterns("__pycache__", "benchmarks", "screenshots")
_SECONDS = 300
# A fault is found by what a test says of it. What can't even run says nothing about the test.
_NOT_RUNNABLE = re.compile(
    r" - (SyntaxError|IndentationError|NameError|ImportError|ModuleNotFoundError|AttributeError|TypeError)\b"
    r"| - psycopg\.errors\.(Syntax|Undefined|Ambiguous|Datatype)"
)


class Unjudged(Exception):
    """The test named for a plant came to no verdict on it."""


@dataclass(frozen=True)
class Plant:
    """A fault: in `file` the text `old`, which is there once, becomes `new`; one of `tests` must fail then.

    `times`: how often it is there, where the same words decide at several places.

    `why` is what would go wrong for whom.
    """

    area: str
    name: str
    why: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    times: int = 1

    def __str__(self) -> str:
        return f"{self.area}/{self.name}"

    def planted(self, root: Path = REPO) -> str:
        """The file's text with the fault; fails if it can't be planted any more."""
        text = (root / self.file).read_text(encoding="utf-8")
        found = text.count(self.old)
        assert found == self.times, (
            f"renew the plant {self.name} in tests/planted/{self.area}.toml: {self.file} has its old text {found} "
            f"times, and must have it {self.times} times"
        )
        return text.replace(self.old, self.new)


def read_plants() -> list[Plant]:
    """All plants, by area and in the order of their files."""
    return [
        Plant(path.stem, **(entry | {"tests": tuple(entry["tests"])}))
        for path in sorted(FOLDER.glob("*.toml"))
        for entry in tomllib.loads(path.read_text(encoding="utf-8"))["plant"]
    ]


@dataclass(frozen=True)
class Copy:
    """A copy of the project, whose tests import its own code."""

    root: Path

    @classmethod
    def made(cls, root: Path) -> Copy:
        """A new copy in an empty folder, compiled: each run of tests in it only compiles what is planted."""
        for name in _COPIED:
            source = REPO / name
            if source.is_dir():
                shutil.copytree(source, root / name, ignore=_NOT_COPIED)
            else:
                shutil.copy2(source, root / name)
        copy = cls(root)
        subprocess.run([sys.executable, "-m", "compileall", "-q", "include", "plugins", "tests"], cwd=root, check=True)
        return copy

    @contextmanager
    def planted(self, plant: Plant) -> Generator[None]:
        """The copy with the fault in it."""
        path = self.root / plant.file
        sound, times = path.read_bytes(), path.stat()
        text = plant.planted(self.root)
        try:
            path.write_text(text, encoding="utf-8")
            yield
        finally:
            path.write_bytes(sound)
            # Compiled code is valid for a file of this age only.
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A Python process in the copy, with the copy's code before what is installed."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "AIRFLOW"))}
        environment["PYTHONPATH"] = os.pathsep.join(str(self.root / name) for name in ("include", "plugins"))
        environment |= {"PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "500"}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )

    def failures(self, tests: Sequence[str]) -> list[str]:
        """Run these tests up to the first that fails; returns how it failed, or nothing if all pass.

        Raises `Unjudged` if they couldn't be run, or failed in their preparations or for want of sense.
        """
        options = ("-q", "-x", "-p", "no:cacheprovider", "--hypothesis-seed=0", "--hypothesis-profile=planted")
        done = self.run("-m", "pytest", *options, *tests)
        said = f"\n{done.stdout[-6_000:]}\n{done.stderr[-2_000:]}"
        if done.returncode not in {0, 1}:
            raise Unjudged(f"pytest ended with {done.returncode}; do these tests exist?{said}")
        summary = done.stdout.rpartition("short test summary info")[2]
        if re.search(r"^(ERROR|SKIPPED) ", summary, re.MULTILINE):
            raise Unjudged(f"it was skipped, or failed in its preparations{said}")
        found = re.findall(r"^FAILED (.*)$", summary, re.MULTILINE)
        if found and _NOT_RUNNABLE.search(found[0]):
            raise Unjudged(f"the plant can't run, so its test says nothing of the fault{said}")
        if len(found) != done.returncode:
            raise Unjudged(f"no verdict{said}")
        return found
