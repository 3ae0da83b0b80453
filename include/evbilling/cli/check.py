"""`evbilling check`: what is late, for cron, a probe or a container; it needs the warehouse alone, no Airflow."""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evbilling.alerts import AirflowState, AlertSettings, Notified
    from evbilling.service_levels import ServiceLevel

    Subcommands = argparse._SubParsersAction[argparse.ArgumentParser]

_DAY = 86_400.0
_WAREHOUSE = ("warehouse", "The warehouse doesn't answer")


def register(subcommands: Subcommands) -> None:
    """Add `check`."""
    text = "say what is late or failed; exit code 0: nothing, 1: something, 2: the warehouse doesn't answer"
    check = subcommands.add_parser("check", help=text, description=f"{text[0].upper()}{text[1:]}.")
    check.add_argument("--json", action="store_true", help="every service level as JSON")
    check.add_argument("--notify", action="store_true", help="send what is late or failed, and its end, as alerts")
    check.add_argument("--connections", type=Path, metavar="FILE", help="Airflow connections as JSON: alerts, smtp")
    check.add_argument("--every", type=float, metavar="SECONDS", help="check again and again, until it is ended")
    check.add_argument("--state", type=Path, metavar="FILE", help="where to note that the warehouse's end was sent")
    check.add_argument("--url", help="libpq URL of the warehouse (default: WAREHOUSE_URL, or the local stack's)")
    check.set_defaults(run=run_check)


def run_check(args: argparse.Namespace) -> int:
    """Check once, or until the process is ended; returns the exit code of the last check."""
    from evbilling.alerts import AlertSettings, read_connections

    settings = read_connections(args.connections) if args.connections else AlertSettings()
    outage = _Outage(args.state)
    while True:
        code = _check(args, settings, outage)
        if not args.every:
            return code
        sys.stdout.flush()
        time.sleep(args.every)


class _Outage:
    """When it was last sent that the warehouse doesn't answer, which it can't keep itself: in a file, or in memory."""

    def __init__(self, file: Path | None) -> None:
        self._file, self._sent_at = file, 0.0

    @property
    def _last(self) -> float:
        if self._file is None:
            return self._sent_at
        return self._file.stat().st_mtime if self._file.exists() else 0.0

    def says(self) -> str | None:
        """What is to be sent of an outage now: began, lasts, or nothing yet."""
        last = self._last
        return "began" if not last else "lasts" if time.time() - last >= _DAY else None

    def note(self, *, is_over: bool = False) -> bool:
        """Note that it was sent, or that it is over; returns True if it was sent before."""
        was_sent = bool(self._last)
        self._sent_at = 0.0 if is_over else time.time()
        if self._file is not None:
            if is_over:
                self._file.unlink(missing_ok=True)
            else:
                self._file.touch()
        return was_sent


def _check(args: argparse.Namespace, settings: AlertSettings, outage: _Outage) -> int:
    from evbilling.alerts import ask_airflow, notify, notify_directly
    from evbilling.cli.environment import resolve_url
    from evbilling.errors import EvbillingError
    from evbilling.service_levels import read_service_levels, with_airflow
    from evbilling.warehouse import connected, read_clock, require_newest_schema

    try:
        url = args.url or resolve_url("warehouse")
        with connected(url, what="warehouse") as connection:
            require_newest_schema(connection)
            now = read_clock(connection)
            levels = read_service_levels(connection, now)
        airflow = ask_airflow(settings.airflow_url, settings.airflow_login, settings.airflow_password)
        levels = with_airflow(levels, airflow.paused, is_down=airflow.scheduler is False)
        sent = notify(url, settings, levels, ends=True) if args.notify else []
    except EvbillingError as error:
        print(json.dumps({"state": "unknown", "error": error.what}) if args.json else f"unknown: {error}")
        says = outage.says() if args.notify else None
        if says:
            _report(notify_directly(settings, *_WAREHOUSE, says))
            outage.note()
        return 2
    if args.notify and outage.note(is_over=True):
        sent += notify_directly(settings, *_WAREHOUSE, "ended")
    print(_json(levels, airflow, now) if args.json else _text(levels))
    _report(sent)
    return int(any(level.needs_somebody for level in levels))


def _report(sent: list[Notified]) -> None:
    for one in sent:
        became = f"isn't sent: {one.error}" if one.error else f"is sent ({one.says})"
        print(f"alert {one.cause} by {one.channel} {became}", file=sys.stderr)


def _text(levels: list[ServiceLevel]) -> str:
    lines = []
    for level in levels:
        if level.needs_somebody:
            money = "".join(f", {amount:,} {code}" for code, amount in level.money.items())
            accounts = f" ({level.accounts:,} accounts{money})" if level.accounts else ""
            lines.append(f"{level.title}: {level.reason}{accounts}")
    late = len(lines)
    lines.append(f"{late} of {len(levels)} service levels need somebody" if late else f"all {len(levels)} are in order")
    return "\n".join(lines)


def _json(levels: list[ServiceLevel], airflow: AirflowState, now: datetime) -> str:
    """Every column of finance.service_levels, and what Airflow says of itself."""
    from dataclasses import asdict

    content = {
        "state": "late" if any(level.needs_somebody for level in levels) else "ok",
        "checked_at": now.isoformat(timespec="seconds"),
        "airflow": {"scheduler": airflow.scheduler, "paused": sorted(airflow.paused)},
        "service_levels": [asdict(level) | {"needs_somebody": level.needs_somebody} for level in levels],
    }
    return json.dumps(content, default=lambda value: value.isoformat() if isinstance(value, datetime) else str(value))
