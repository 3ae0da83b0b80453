"""The stack's variables as shell `export` lines."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from evbilling.cli.environment import UrlKind
from evbilling.errors import NotReady
from evbilling_local.stack.airflow import settings
from evbilling_local.stack.home import stack_home
from evbilling_local.stack.postgres import bin_directory
from evbilling_local.stack.state import StackState

# The admin's URL is left out: what a shell exports, everything started from it can read.
_URLS: tuple[UrlKind, ...] = ("warehouse", "finance", "platform")


def export_lines() -> list[str]:
    """One quoted `export` line for each variable, PATH included; raises `NotReady` if there is no stack."""
    state = StackState.load(stack_home())
    if state is None:
        raise NotReady("there is no stack yet", where=str(stack_home()), fix="run `evbilling up`")
    values = {"EVBILLING_HOME": str(state.home)}
    values |= {f"{kind.upper()}_URL": state.url(kind) for kind in _URLS}
    values |= settings(state, os.environ)
    lines = [f"export {name}={shlex.quote(value)}" for name, value in values.items()]
    # Not resolved: a virtual environment's real interpreter lies elsewhere, without our programs beside it.
    own = [str(Path(sys.executable).parent), str(bin_directory())]
    lines.append(f'export PATH={shlex.quote(os.pathsep.join(own))}"${{PATH:+:$PATH}}"')
    return lines
