"""Redis for tests: a process of its own on loopback, which keeps nothing."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.support.programs import free_ports, program, start_server, stop_server


@contextmanager
def running_redis() -> Generator[str]:
    """The URL of a server, for as long as the block runs."""
    server = program("redis-server", "on Debian and Ubuntu `apt-get install redis-server` brings it")
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        command = [
            server,
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--dir",
            folder,
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        process = start_server(command, Path(folder), lambda: _answers(port))
        try:
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            stop_server(process)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
