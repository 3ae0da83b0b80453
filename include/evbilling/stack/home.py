"""Where the local stack lives and which database URL a command uses."""

from __future__ import annotations

import os
from pathlib import Path

from evbilling.errors import NotReady
from evbilling.stack.state import StackState, UrlKind

REPO_ROOT = Path(__file__).resolve().parents[3]


def stack_home() -> Path:
    """The absolute folder of this stack, there or not: `EVBILLING_HOME`, or `.local` in the sources."""
    named = os.environ.get("EVBILLING_HOME")
    return Path(named).expanduser().absolute() if named else REPO_ROOT / ".local"


def resolve_url(kind: UrlKind) -> str:
    """The `postgresql://` URL for `kind`: `WAREHOUSE_URL` and its like win over the local stack.

    Raises `NotReady` if neither the variable nor a stack is there. Doesn't connect.
    """
    variable = f"{kind.upper()}_URL"
    named = os.environ.get(variable)
    if named:
        return named
    state = StackState.load(stack_home())
    if state is None:
        raise NotReady(
            f"there is no {kind.replace('_', ' ')} database",
            where=str(stack_home()),
            fix=f"run `evbilling up`, or set {variable}",
        )
    return state.url(kind)
