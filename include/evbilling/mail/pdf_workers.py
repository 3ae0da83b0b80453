"""PDFs made beside the sending process, one helper process a core: Typst keeps Python's lock while it sets a document.

A helper is a fresh interpreter that gets statements over a pipe and gives PDFs back. Plain processes, and none of
multiprocessing's, because those would begin by importing whatever program the task runs in.
"""

from __future__ import annotations

import logging
import os
import subprocess  # argument lists of our own only
import sys
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe
from typing import Any

from evbilling.documents.issuer import Issuer
from evbilling.documents.pdf import statement_pdf
from evbilling.read_models.statement.view import StatementView

log = logging.getLogger(__name__)


@dataclass
class Renderer:
    """Makes PDFs in a process of its own. For one thread at a time; to be closed."""

    _pipe: Connection[Any, Any] | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def pdf(self, view: StatementView, locale: str, issuer: Issuer, addressee: str) -> bytes:
        """As `statement_pdf`. A helper that is gone is missed by nobody: the PDF is made here then."""
        try:
            if self._pipe is None:
                self._start()
            assert self._pipe is not None  # ruff: ignore[assert]
            self._pipe.send((view, locale, issuer, addressee))
            made = self._pipe.recv()
        except (EOFError, OSError) as error:
            log.warning("a process that makes PDFs is gone (%s); another is started", error)
            self.close()
            return statement_pdf(view, locale=locale, issuer=issuer, addressee=addressee)
        if isinstance(made, str):
            raise RuntimeError(made)
        return bytes(made)

    def close(self) -> None:
        """End the process, which does so once nobody can ask it for anything."""
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
        self._pipe, theirs = Pipe()
        with theirs:
            command = [sys.executable, "-P", "-m", __name__, str(theirs.fileno())]
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, pass_fds=(theirs.fileno(),), env=_environment()
            )


def _environment() -> dict[str, str]:
    # Where this process finds the package, the helper does too.
    return dict(os.environ) | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def _serve(pipe: Connection[Any, Any]) -> None:
    while True:
        try:
            view, locale, issuer, addressee = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(statement_pdf(view, locale=locale, issuer=issuer, addressee=addressee))
        except Exception as error:
            pipe.send(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    _serve(Connection(int(sys.argv[1])))
