"""Where the local stack is kept."""

from __future__ import annotations

import os
from pathlib import Path

REPO_ROOT = Path(__file__).resolve().parents[3]


def stack_home() -> Path:
    """The absolute folder of this stack, there or not: `EVBILLING_HOME`, or `.local` in the sources."""
    named = os.environ.get("EVBILLING_HOME")
    return Path(named).expanduser().absolute() if named else REPO_ROOT / ".local"
