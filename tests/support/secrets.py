"""Looks at the files of a local stack: who may read them, and which hold a secret that isn't meant for them."""

from __future__ import annotations

from pathlib import Path

from evbilling_local.stack import StackState

# The files that are meant for secrets, by the path below the stack's home.
MEANT = {"stack.json", "sandbox.key", "airflow/passwords.json"}


def open_to_others(home: Path) -> list[str]:
    """The files below `home` that others than its user may read; Postgres guards its own folder."""
    files = (path for path in home.rglob("*") if path.is_file() and "postgres" not in path.relative_to(home).parts[:1])
    return [f"{path.stat().st_mode:o} {path}" for path in files if path.stat().st_mode & 0o077]


def secrets_in_files(state: StackState) -> list[str]:
    """Each file with a secret of the stack that isn't meant for it, and which one."""
    secrets = {
        f"{kind} {name}": secret.encode()
        for kind, named in (
            ("password of role", state.role_passwords),
            ("password of Airflow's user", state.airflow_passwords),
            ("secret", state.secrets),
        )
        for name, secret in named.items()
    }
    found = []
    for path in state.home.rglob("*"):
        if path.is_file() and path.relative_to(state.home).as_posix() not in MEANT:
            content = path.read_bytes()
            found += [f"{name} in {path}" for name, secret in secrets.items() if secret in content]
    return found
