"""`evbilling mail-sink`: a mail server on this machine that keeps what it is sent."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]

_HOST = "127.0.0.1"
_SMTP_PORT = 1025
_HTTP_PORT = 8025


def register(subcommands: SubParsers) -> None:
    """Add `mail-sink`."""
    text = "take mail on this machine, deliver nothing, and show what came on a page"
    parser = subcommands.add_parser("mail-sink", help=text, description=f"{text[0].upper()}{text[1:]}. Ctrl-C ends it.")
    parser.add_argument("--smtp-port", type=int, default=_SMTP_PORT, metavar="N", help=f"(default: {_SMTP_PORT})")
    parser.add_argument("--http-port", type=int, default=_HTTP_PORT, metavar="N", help=f"(default: {_HTTP_PORT})")
    parser.add_argument(
        "--host", default=_HOST, metavar="ADDRESS", help=f"where to listen; who reaches it reads all (default: {_HOST})"
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("mail"),
        metavar="FOLDER",
        help="where the messages are kept (default: ./mail)",
    )
    parser.set_defaults(run=run_sink)


def run_sink(args: argparse.Namespace) -> int | None:
    """Take mail until SIGTERM or SIGINT; prints one line when it listens."""
    from evbilling_local.mail_sink.server import running_sink
    from evbilling_local.sandbox.commands import stop_signal

    with (
        stop_signal() as stopped,
        running_sink(args.folder, args.smtp_port, args.http_port, host=args.host),
    ):
        print(
            f"mail sink: takes mail on {args.host}:{args.smtp_port}, shows it on http://{args.host}:{args.http_port}, "
            f"keeps it in {args.folder}",
            flush=True,
        )
        stopped.wait()
    return None
