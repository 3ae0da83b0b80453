"""What the stack's commands print: a line for each step, and the variables of `evbilling env`."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
import time
from collections.abc import Generator
from pathlib import Path

from evbilling.cli.environment import UrlKind
from evbilling.errors import NotReady
from evbilling_local.stack.airflow import settings
from evbilling_local.stack.postgres import bin_directory
from evbilling_local.stack.state import StackState, stack_home

# The admin's URL is left out: what a shell exports, everything started from it can read.
_URLS: tuple[UrlKind, ...] = ("warehouse", "finance", "platform")


class Step:
    """The line of one thing that is under way; `result` is what it ends with."""

    def __init__(self) -> None:
        self.result = "ready"


@contextlib.contextmanager
def step(name: str, waiting_for: str) -> Generator[Step]:
    """Print what is waited for, then the result and how long it took; set `.result` inside."""
    line = Step()
    began = time.monotonic()
    print(f"{name:<12} {waiting_for} ... ", end="", flush=True)
    try:
        yield line
    except BaseException:
        print("not done", flush=True)
        raise
    print(f"{line.result}{_took(began)}", flush=True)


def _took(began: float) -> str:
    seconds = time.monotonic() - began
    return f" ({seconds:.1f} s)" if seconds >= 0.5 else ""


def command() -> str:
    """How to call `evbilling` from this shell: by name if that finds this one, else by path."""
    # Not resolved: a virtual environment's real interpreter is elsewhere, without our programs beside it.
    ours = Path(sys.executable).parent / "evbilling"
    if shutil.which("evbilling") == str(ours):
        return "evbilling"
    relative = os.path.relpath(ours)
    return shlex.quote(str(ours) if relative.startswith("..") else relative)


def export_lines() -> list[str]:
    """One quoted `export` line for each variable, PATH included; raises `NotReady` if there is no stack."""
    state = StackState.load(stack_home())
    if state is None:
        raise NotReady("there is no stack yet", where=str(stack_home()), fix="run `evbilling up`")
    values = {"EVBILLING_HOME": str(state.home)}
    values |= {f"{kind.upper()}_URL": state.url(kind) for kind in _URLS}
    values |= settings(state, os.environ)
    lines = [f"export {name}={shlex.quote(value)}" for name, value in values.items()]
    # Not resolved: a virtual environment's real interpreter is elsewhere, without our programs beside it.
    own = [str(Path(sys.executable).parent), str(bin_directory())]
    lines.append(f'export PATH={shlex.quote(os.pathsep.join(own))}"${{PATH:+:$PATH}}"')
    return lines
