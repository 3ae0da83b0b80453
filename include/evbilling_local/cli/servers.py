"""`evbilling sandbox` and `evbilling mail-sink`: stand-ins for Stripe's API and for a mail server on this machine."""

from __future__ import annotations

import argparse
import math
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from evbilling.errors import BadInput
from evbilling_local.cli.extra import needs_local_extra

_HOST = "127.0.0.1"


def register(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `sandbox` and `mail-sink`."""
    text = "answer like Stripe's API on this machine: charges, declines and, if you want, faults"
    sandbox = subcommands.add_parser("sandbox", help=text, description=f"{text[0].upper()}{text[1:]}. Ctrl-C ends it.")
    option = sandbox.add_argument
    option("--port", type=int, default=12111, metavar="N", help="(default: 12111; 0: any free one)")
    option(
        "--host",
        default=_HOST,
        metavar="ADDRESS",
        help="where to listen; its clients may do all (default: %(default)s)",
    )
    option(
        "--state",
        type=Path,
        default=Path("sandbox.sqlite"),
        metavar="FILE",
        help="its data (default: ./sandbox.sqlite)",
    )
    keys = sandbox.add_mutually_exclusive_group()
    keys.add_argument("--key", metavar="sk_test_…", help="take this secret key only (default: any sk_test_ key)")
    keys.add_argument("--key-file", type=Path, metavar="FILE", help="take only the key in this file")
    help_of_ttl = "how long an idempotency key is remembered (default: a day)"
    option("--key-ttl", type=_positive, default=86_400.0, metavar="SECONDS", help=help_of_ttl)
    option("--strict-customers", action="store_true", help="refuse customers that were never created")
    option("--limit", type=_positive, metavar="N", help="answer 429 beyond N requests a second")
    option("--seed", type=int, default=1, metavar="S", help="of the faults (default: 1)")
    help_of_fault = (
        "the share of charges that meet a fault: timeout_before, timeout_after, drop_before, drop_after, "
        "error_500_before, error_500_after, rate_limit, nonsense, slow, invalid_request, unauthorized"
    )
    option("--fault", action="append", default=[], metavar="NAME=RATE", help=help_of_fault)
    help_of_hold = "how long a timeout holds a connection (default: 1)"
    option("--hold", type=_positive, default=1.0, metavar="SECONDS", help=help_of_hold)
    option("--quiet", action="store_true", help="don't print a line for each request")
    sandbox.set_defaults(run=_run_sandbox)

    text = "take mail on this machine, deliver nothing, and show it on a page"
    sink = subcommands.add_parser("mail-sink", help=text, description=f"{text[0].upper()}{text[1:]}. Ctrl-C ends it.")
    option = sink.add_argument
    option("--smtp-port", type=int, default=1025, metavar="N", help="(default: 1025)")
    option("--http-port", type=int, default=8025, metavar="N", help="(default: 8025)")
    option(
        "--host", default=_HOST, metavar="ADDRESS", help="where to listen; its clients read all (default: %(default)s)"
    )
    option("--folder", type=Path, default=Path("mail"), metavar="FOLDER", help="the messages' files (default: ./mail)")
    sink.set_defaults(run=_run_sink)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


@needs_local_extra("starlette", "uvicorn")
def _run_sandbox(args: argparse.Namespace) -> int | None:
    from evbilling_local.sandbox import TEST_KEY, FaultPlan, Rules, running_sandbox

    key = _key_in(args.key_file) if args.key_file else args.key
    if key is not None and not key.startswith(TEST_KEY):
        where = str(args.key_file or "--key")
        raise BadInput("isn't a test key", where=where, fix=f"give one that starts with {TEST_KEY}")
    plan = FaultPlan(seed=args.seed, rates=dict(map(_rate, args.fault)), hold_seconds=args.hold)
    rules = Rules(key, not args.strict_customers, args.limit, args.key_ttl)
    with (
        _stop_signal() as stopped,
        running_sandbox(args.state, args.port, host=args.host, rules=rules, plan=plan, quiet=args.quiet) as sandbox,
    ):
        # Where it is started in the background, what it prints is a log.
        shown = f"in {args.key_file}" if args.key_file else "given" if key else "sk_test_sandbox"
        print(
            f"sandbox: listening on {sandbox.url}, state in {args.state}; use it as Stripe's API with the secret key "
            f"{shown} and the API address {sandbox.url}",
            flush=True,
        )
        stopped.wait()
    return None


@needs_local_extra("aiosmtpd", "starlette", "uvicorn")
def _run_sink(args: argparse.Namespace) -> int | None:
    from evbilling_local.mail_sink import running_sink

    with (
        _stop_signal() as stopped,
        running_sink(args.folder, args.smtp_port, args.http_port, host=args.host),
    ):
        print(
            f"mail sink: takes mail on {args.host}:{args.smtp_port}, shows it on http://{args.host}:{args.http_port}, "
            f"keeps it in {args.folder}",
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
def _stop_signal() -> Generator[threading.Event]:
    """An event that SIGTERM and SIGINT set, instead of what they do otherwise."""
    stopped = threading.Event()
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
