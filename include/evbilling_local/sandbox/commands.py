"""`evbilling sandbox`: a stand-in for Stripe's API on this machine."""

from __future__ import annotations

import argparse
import math
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from evbilling.errors import BadInput
from evbilling_local.sandbox.faults import FAULTS, FaultPlan

if TYPE_CHECKING:
    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]

_HOST = "127.0.0.1"
_PORT = 12111
_HOLD = 1.0


def register(subcommands: SubParsers) -> None:
    """Add `sandbox`."""
    text = "answer like Stripe's API on this machine: charges, declines and, if you want, faults"
    parser = subcommands.add_parser("sandbox", help=text, description=f"{text[0].upper()}{text[1:]}. Ctrl-C ends it.")
    parser.add_argument("--port", type=int, default=_PORT, metavar="N", help=f"(default: {_PORT}; 0: any free one)")
    parser.add_argument(
        "--host",
        default=_HOST,
        metavar="ADDRESS",
        help=f"where to listen; who reaches it may do all (default: {_HOST})",
    )
    parser.add_argument(
        "--state",
        type=Path,
        default=Path("sandbox.sqlite"),
        metavar="FILE",
        help="what it remembers (default: ./sandbox.sqlite)",
    )
    keys = parser.add_mutually_exclusive_group()
    keys.add_argument("--key", metavar="sk_test_…", help="take this secret key only (default: any sk_test_ key)")
    keys.add_argument("--key-file", type=Path, metavar="FILE", help="take only the key in this file")
    parser.add_argument(
        "--key-ttl",
        type=_positive,
        default=86_400.0,
        metavar="SECONDS",
        help="how long an idempotency key is remembered (default: a day)",
    )
    parser.add_argument("--strict-customers", action="store_true", help="refuse customers that were never created")
    parser.add_argument("--limit", type=_positive, metavar="N", help="answer 429 beyond N requests a second")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of the faults (default: 1)")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME=RATE",
        help=f"the share of charges that meet a fault: {', '.join(FAULTS)}",
    )
    parser.add_argument(
        "--hold",
        type=_positive,
        default=_HOLD,
        metavar="SECONDS",
        help=f"how long a timeout holds a connection (default: {_HOLD:g})",
    )
    parser.add_argument("--quiet", action="store_true", help="don't print a line for each request")
    parser.set_defaults(run=run_sandbox)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def run_sandbox(args: argparse.Namespace) -> int | None:
    """Answer until SIGTERM or SIGINT; prints one line when it listens."""
    from evbilling_local.sandbox.api import TEST_KEY, Rules
    from evbilling_local.sandbox.server import running_sandbox

    key = _key_in(args.key_file) if args.key_file else args.key
    if key is not None and not key.startswith(TEST_KEY):
        where = str(args.key_file or "--key")
        raise BadInput("isn't a test key", where=where, fix=f"give one that starts with {TEST_KEY}")
    plan = FaultPlan(seed=args.seed, rates=dict(map(_rate, args.fault)), hold_seconds=args.hold)
    rules = Rules(key, not args.strict_customers, args.limit, args.key_ttl)
    with (
        stop_signal() as stopped,
        running_sandbox(args.state, args.port, host=args.host, rules=rules, plan=plan, quiet=args.quiet) as sandbox,
    ):
        # What comes from a file is meant to stay there.
        shown = f"in {args.key_file}" if args.key_file else key or "sk_test_sandbox"
        print(
            f"sandbox: listening on {sandbox.url}, state in {args.state}; use it as Stripe's API with the secret key "
            f"{shown} and the API address {sandbox.url}",
            flush=True,
        )
        stopped.wait()
    return None


def _key_in(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"can't be read: {error}", where=str(file), fix="give the file that holds the key") from None


def _rate(text: str) -> tuple[str, float]:
    name, _, rate = text.partition("=")
    try:
        return name, float(rate)
    except ValueError:
        raise BadInput(f"{text!r} has no rate", where="--fault", fix="write NAME=RATE, like drop_after=0.05") from None


@contextmanager
def stop_signal() -> Generator[threading.Event]:
    """An event that SIGTERM and SIGINT set, instead of what they do otherwise."""
    stopped = threading.Event()
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
