"""Serving an ASGI application from a thread: the sandbox and the mail sink's pages."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from evbilling.errors import BadInput

if TYPE_CHECKING:
    from starlette.applications import Starlette


_SHUTDOWN_SECONDS = 2

T = TypeVar("T")


@dataclass(frozen=True)
class RunningServer:
    """A server whose event loop runs in another thread."""

    port: int
    loop: asyncio.AbstractEventLoop

    def call(self, function: Callable[[], T]) -> T:
        """What `function` returns or raises, run on the server's loop between two requests."""
        result: Future[T] = Future()

        def run() -> None:
            try:
                result.set_result(function())
            except BaseException as error:
                result.set_exception(error)

        self.loop.call_soon_threadsafe(run)
        return result.result()


@contextmanager
def running_server(
    app: Starlette, host: str, port: int, *, option: str, before_stop: Callable[[], None] = lambda: None
) -> Generator[RunningServer]:
    """Serve `app` until the block ends; port 0 picks a free one.

    `before_stop` runs on the server's loop first, so that it can end waits. The transport of a request's connection is
    `request.state.transport`. Raises `BadInput` that suggests another `option` if the address can't be used.
    """
    listener = _listener(host, port, option)
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        date_header=False,
        server_header=False,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    server = _Server(config)
    loop: Future[asyncio.AbstractEventLoop] = Future()

    def serve() -> None:
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            loop.set_result(runner.get_loop())
            runner.run(server.serve(sockets=[listener]))

    thread = threading.Thread(target=serve, name=f"http server on {host}:{port}")
    thread.start()
    running = RunningServer(listener.getsockname()[1], loop.result())
    try:
        yield running
    finally:
        running.call(before_stop)
        running.call(server.stopping.set)
        thread.join()


class _Server(uvicorn.Server):
    """Stops when it is asked to, where uvicorn itself looks ten times a second whether it should."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.stopping = asyncio.Event()

    async def main_loop(self) -> None:
        await self.stopping.wait()


class _Protocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """uvicorn's own protocol, with the transport handed to the application, which can close it without an answer."""

    app_state: dict[str, Any]

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


def _listener(host: str, port: int, option: str) -> socket.socket:
    # asyncio sends small answers at once only where it knows that the protocol is TCP.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(256)
    except (OSError, OverflowError) as error:
        listener.close()
        in_use = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        what = "another program already listens there" if in_use else f"can't listen there: {error}"
        raise BadInput(what, where=f"{host}:{port}", fix=f"give another {option}") from error
    return listener
