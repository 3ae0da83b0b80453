"""A proxy that fails in the middle: after a number of bytes it cuts its connections, or falls silent."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Generator


class BrokenProxy:
    """Carries every connection to a server; the bytes of one direction are counted over all of them.

    After `limit` bytes to the server (`upwards`) or from it, each connection is cut, or held open in silence.
    `reached` is set then. `limit` None carries everything; `carried` tells how many bytes that was.
    """

    def __init__(self, server: tuple[str, int], *, upwards: bool, cut: bool) -> None:
        self._server = server
        self._upwards = upwards
        self._cut = cut
        self.carried = 0
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.limit: int | None = None
        self.reached = threading.Event()
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                there = socket.create_connection(self._server)
                self._open += [here, there]
                for source, target, counts in ((here, there, self._upwards), (there, here, not self._upwards)):
                    threading.Thread(target=self._carry, args=(source, target, counts), daemon=True).start()

    def close(self) -> None:
        # An accept that waits is only woken by this.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._open:
            one.close()

    def _carry(self, source: socket.socket, target: socket.socket, counts: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if counts and self._is_over(len(data)):
                    self.reached.set()
                    if not self._cut:
                        return
                    break
                target.sendall(data)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _is_over(self, size: int) -> bool:
        with self._lock:
            self.carried += size
            return self.limit is not None and self.carried > self.limit


@contextlib.contextmanager
def broken_proxy(endpoint: str, *, upwards: bool, cut: bool) -> Generator[BrokenProxy]:
    """A proxy to `endpoint`, an http:// address, for as long as the block runs."""
    host, _, port = endpoint.removeprefix("http://").partition(":")
    proxy = BrokenProxy((host, int(port)), upwards=upwards, cut=cut)
    thread = threading.Thread(target=proxy.serve, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()
