"""What a command that takes long shows of its progress: a bar on a terminal, a line each half minute elsewhere."""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager

from evbilling.progress import Measure, Progress, SteadyClock, watched


@contextmanager
def bar(what: str) -> Generator[Progress]:
    """The counter of `what` is done in the block, as "Archiving 2024-01"; shown on standard error."""
    progress = Progress()
    with _drawn(what, progress) if sys.stderr.isatty() else _written(what, progress):
        yield progress


@contextmanager
def _written(what: str, progress: Progress) -> Generator[None]:
    def report(measure: Measure, is_due: bool) -> None:
        if is_due:
            print(f"{what}: {measure.sentence()}", file=sys.stderr, flush=True)

    with watched(progress, report):
        yield


@contextmanager
def _drawn(what: str, progress: Progress) -> Generator[None]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.fields[far]}"))
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(what, total=None, far="")

        def report(measure: Measure, _: bool) -> None:
            bars.update(task, completed=measure.done, total=measure.total, far=measure.sentence())

        with watched(progress, report, _QuickClock()):
            yield


class _QuickClock(SteadyClock):
    def wait(self, news: threading.Event, seconds: float) -> bool:
        """A tenth of a second, so that the bar moves."""
        return news.wait(min(seconds, 0.1))
