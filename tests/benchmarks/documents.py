"""PDFs a second: connector statements of 20 chargers, each another one, in one process and in one on each core."""

from __future__ import annotations

import os
import time
from typing import Any

from tests.benchmarks.measure import measured

_DOCUMENTS = 150
_CHARGERS = 20


def documents_per_second() -> dict[str, Any]:
    """Rates with `cores` processes and with one, and the sentence that says so. Loading fonts isn't timed."""
    alone = measured("one process", [(make_documents, (0,))])
    cores = os.cpu_count() or 1
    beside = measured("all cores", [(make_documents, (number,)) for number in range(1, cores + 1)])
    one, rates = alone.result, [float(result) for result in beside.results]
    says = f"PDFs of {_CHARGERS} chargers: {one:.0f} a second in one process, {sum(rates):.0f} in {cores}"
    return {
        "one_process_per_s": one,
        "all_cores_per_s": sum(rates),
        "cores": cores,
        "says": says,
        "peak_mib": alone.peak_mib,
    }


def make_documents(series: int) -> float:
    """Make documents one after the other; returns how many a second."""
    from evbilling.documents import statement_pdf
    from tests.support.statement_views import paid_view

    views = [
        paid_view(name=f"Fleet {series} {n}", charger_ids=[f"CH-{series}-{n}-{c}" for c in range(_CHARGERS)])
        for n in range(_DOCUMENTS + 1)
    ]
    statement_pdf(views.pop(), locale="de_DE")
    start = time.monotonic()
    for view in views:
        statement_pdf(view, locale="de_DE")
    return _DOCUMENTS / (time.monotonic() - start)
