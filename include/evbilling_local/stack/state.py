"""Where a stack is, and what it keeps between two commands: ports, passwords and secrets, in one private file."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Generator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO, Self

from evbilling.cli.environment import UrlKind
from evbilling.errors import NotReady

# kind: (role, database) on the embedded server
URL_LOGIN: dict[UrlKind, tuple[str, str]] = {
    "warehouse": ("evbilling_writer", "warehouse"),
    "finance": ("finance_reader", "warehouse"),
    "platform": ("platform", "platform"),
    "warehouse_admin": ("postgres", "warehouse"),
}

REPO_ROOT = Path(__file__).resolve().parents[3]

ROLES = ("postgres", "airflow", "platform", "platform_reader", "evbilling_writer", "finance_reader")
AIRFLOW_USERS = ("admin", "op", "user", "viewer")


@dataclass
class StackState:
    """The state of one stack. `up` makes it once; passwords and secrets stay for the life of the folder."""

    home: Path
    postgres_port: int = 0
    airflow_port: int = 0
    sandbox_port: int = 0
    smtp_port: int = 0
    mail_port: int = 0
    role_passwords: dict[str, str] = field(default_factory=dict)
    airflow_passwords: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    airflow_migrated: str = ""
    wanted: list[str] = field(default_factory=list)
    sample: dict[str, str] = field(default_factory=dict)
    broker_url: str = ""

    @staticmethod
    def file(home: Path) -> Path:
        """The state file of the stack in `home`."""
        return home / "stack.json"

    @classmethod
    def load(cls, home: Path) -> Self | None:
        """The stack's state, or None if `up` never ran here; raises `NotReady` if the file is damaged."""
        path = cls.file(home)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return cls(home=home, **content)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise NotReady(
                f"the stack's state can't be read: {error}",
                where=str(path),
                fix="end its processes, remove the folder and run `evbilling up`; its data is lost then",
            ) from error

    @classmethod
    def create(cls, home: Path) -> Self:
        """A new state with fresh passwords and secrets, already saved."""
        home.mkdir(parents=True, exist_ok=True)
        for folder in ("airflow", "evidence", "logs", "run"):
            (home / folder).mkdir(mode=0o700, exist_ok=True)
        state = cls(
            home=home,
            role_passwords={role: secrets.token_urlsafe(24) for role in ROLES},
            airflow_passwords={user: secrets.token_urlsafe(9) for user in AIRFLOW_USERS},
            secrets={
                "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
                "jwt_secret": secrets.token_urlsafe(64),
                "api_secret_key": secrets.token_urlsafe(32),
            },
        )
        state.save()
        return state

    def save(self) -> None:
        """Replace the state file, so that a reader sees the old or the new one, never half."""
        content = asdict(self)
        del content["home"]
        write_private(self.file(self.home), json.dumps(content, indent=1))

    def url(self, kind: UrlKind) -> str:
        """The URL of `kind` on this stack's Postgres."""
        role, database = URL_LOGIN[kind]
        return self.role_url(role, database)

    def role_url(self, role: str, database: str) -> str:
        """The URL that logs `role` in to `database` on this stack's Postgres."""
        return f"postgresql://{role}:{self.role_passwords[role]}@127.0.0.1:{self.postgres_port}/{database}"


def write_private(path: Path, text: str) -> None:
    """Write `path` in one step with mode 0600; folders above it are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def open_private(path: Path, *, append: bool = False) -> BinaryIO:
    """`path` opened for writing, mode 0600 even if it is there with another; folders above it are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else os.O_TRUNC)
    descriptor = os.open(path, flags, 0o600)
    os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "ab" if append else "wb")


@contextlib.contextmanager
def locked(home: Path) -> Generator[None]:
    """Hold the stack's lock: of two `up` or `down` of one folder, one waits for the other."""
    with open_private(home / "lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def claimed(file: Path) -> Generator[bool]:
    """True if nobody else has claimed `file`, to the end of the block; a process that is killed gives it up."""
    with open_private(file, append=True) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def stack_home() -> Path:
    """The absolute folder of this stack, there or not: `EVBILLING_HOME`, or `.local` in the sources."""
    named = os.environ.get("EVBILLING_HOME")
    return Path(named).expanduser().absolute() if named else REPO_ROOT / ".local"
