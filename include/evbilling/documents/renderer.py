"""PDFs made in helper processes: Typst holds Python's interpreter lock while it sets a document.

A helper is a fresh interpreter that receives statements over a pipe and sends PDFs back. Not multiprocessing's own
processes, because those first import the program in which the task runs.
"""

from __future__ import annotations

import logging
import os
import subprocess  # argument lists of our own only
import sys
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe
from typing import Any

from evbilling.documents.heading import Issuer
from evbilling.documents.pdf import statement_pdf
from evbilling.errors import EvbillingError
from evbilling.read_models.statement import StatementView

_PROGRAM = f"""import sys; from multiprocessing.connection import Connection; from {__name__} import serve
serve(Connection(int(sys.argv[1])))"""

log = logging.getLogger(__name__)


@dataclass
class Renderer:
    """Makes PDFs in a process of its own. For one thread at a time; close it after use."""

    _pipe: Connection[Any, Any] | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def pdf(self, view: StatementView, locale: str, issuer: Issuer, addressee: str) -> bytes:
        """As `statement_pdf`. If the helper has died, the PDF is made here and the next call starts another."""
        try:
            if self._pipe is None:
                self._start()
            assert self._pipe is not None  # ruff: ignore[assert]
            self._pipe.send((view, locale, issuer, addressee))
            result = self._pipe.recv()
        except (EOFError, OSError) as error:
            log.warning("a process that makes PDFs has died (%s); another is started", error)
            self.close()
            return statement_pdf(view, locale=locale, issuer=issuer, addressee=addressee)
        if isinstance(result, EvbillingError):
            raise result
        if isinstance(result, str):
            raise RuntimeError(result)
        return bytes(result)

    def close(self) -> None:
        """End the process: it stops when its pipe is closed."""
        if self._pipe is not None:
            self._pipe.close()
        if self._process is not None:
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._pipe = self._process = None

    def _start(self) -> None:
        self._pipe, other_end = Pipe()
        with other_end:
            command = [sys.executable, "-P", "-c", _PROGRAM, str(other_end.fileno())]
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, pass_fds=(other_end.fileno(),), env=_environment()
            )


def _environment() -> dict[str, str]:
    # The helper finds the package where this process finds it.
    return dict(os.environ) | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def serve(pipe: Connection[Any, Any]) -> None:
    """Answer requests until the pipe is closed."""
    while True:
        try:
            view, locale, issuer, addressee = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(statement_pdf(view, locale=locale, issuer=issuer, addressee=addressee))
        except EvbillingError as error:
            pipe.send(error)
        except Exception as error:
            pipe.send(f"{type(error).__name__}: {error}")
