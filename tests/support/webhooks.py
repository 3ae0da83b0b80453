"""A web server that keeps what is posted to it, as a webhook, Slack or PagerDuty would."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from evbilling_local.ports import LOOPBACK


@dataclass
class Webhooks:
    """What was posted to each path; `status` answers it."""

    url: str = ""
    status: int = 202
    got: dict[str, list[Any]] = field(default_factory=dict)


@contextmanager
def webhooks() -> Generator[Webhooks]:
    """A running one."""
    hooks = Webhooks()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            hooks.got.setdefault(self.path, []).append(json.loads(content))
            self.send_response(hooks.status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Keep it quiet."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    hooks.url = f"http://{LOOPBACK}:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hooks
    finally:
        server.shutdown()
        server.server_close()
