"""No rule, step or page looks at the clock of the machine it runs on: the warehouse's clock decides."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
# Who may look at it, and why.
ALLOWED = {
    "include/evbilling/warehouse/clock.py": "compares it with the warehouse's",
    "include/evbilling/payments/gateway/interface.py": "a lease ends by whichever of two clocks is first",
    "include/evbilling/cli/check.py": "when it was last sent that the warehouse, whose clock it is, doesn't answer",
    "include/evbilling/mail/preparation.py": "a message says when it was written",
    "plugins/evbilling_web/actions/following.py": "how long a run has waited: Airflow queued it by this clock",
}
# The local stack plays the gateway and the platform, and chooses the month of its demo.
ALLOWED_FOLDER = "include/evbilling_local/"

OF_DATES = {"now", "utcnow", "today"}
DATES = {"datetime", "date", "pendulum", "timezone", "Timestamp", "DateTime"}
OF_TIME = {"time", "time_ns", "localtime", "gmtime", "ctime", "asctime"}


def looks(tree: ast.AST) -> Iterator[int]:
    """The lines that look at the clock, called or handed on."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            base = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", None)
            if (base in DATES and node.attr in OF_DATES) or (base == "time" and node.attr in OF_TIME):
                yield node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            yield from (node.lineno for name in node.names if name.name in OF_TIME)


def test_only_these_look_at_the_clock() -> None:
    """Each place is named here with its reason, and none is named that doesn't."""
    found = {
        path.relative_to(REPO).as_posix()
        for folder in ("include", "plugins", "dags")
        for path in (REPO / folder).rglob("*.py")
        if any(looks(ast.parse(path.read_text(encoding="utf-8"))))
    }
    assert {path for path in found if not path.startswith(ALLOWED_FOLDER)} == set(ALLOWED)


def test_the_ways_to_look_are_known() -> None:
    """Each of them is found."""
    for way in (
        *("datetime.now(UTC)", "datetime.datetime.now()", "datetime.utcnow()", "date.today()", "f = datetime.now"),
        *("pd.Timestamp.now()", "pendulum.now()", "timezone.utcnow()", "time.time()", "from time import time"),
    ):
        assert list(looks(ast.parse(way))), way
    assert list(looks(ast.parse("services.now(); time.monotonic(); run.today()"))) == []
