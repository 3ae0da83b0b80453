"""What the stack's commands print: a line for each thing, live on a terminal and plain elsewhere."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Generator
from pathlib import Path


class Step:
    """The line of one thing that is under way; `result` is what it ends with."""

    def __init__(self) -> None:
        self.result = "ready"


@contextlib.contextmanager
def step(name: str, waiting_for: str) -> Generator[Step]:
    """Print what is waited for, then the result and how long it took; set `.result` inside."""
    line = Step()
    began = time.monotonic()
    if sys.stdout.isatty():
        from rich.console import Console

        console = Console(highlight=False)
        try:
            with console.status(f"{name}: {waiting_for}"):
                yield line
        except BaseException:
            console.print(f"[red]✗[/red] {name:<12} {waiting_for}: not done", soft_wrap=True)
            raise
        console.print(f"[green]✓[/green] {name:<12} {line.result}{_took(began)}", soft_wrap=True)
        return
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
    # Not resolved: a virtual environment's real interpreter lies elsewhere, without our programs beside it.
    ours = Path(sys.executable).parent / "evbilling"
    if shutil.which("evbilling") == str(ours):
        return "evbilling"
    relative = os.path.relpath(ours)
    return str(ours) if relative.startswith("..") else relative
