"""The journal for the books as a task calls it: connections and context in, plain facts out."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from evbilling_airflow.context import actor
from evbilling_airflow.reporting import says_why
from evbilling_airflow.watching import watched

log = logging.getLogger(__name__)


@watched
@says_why
def export_journal(context: Mapping[str, Any]) -> dict[str, int]:
    """Export what is left of the Param's month, or say what would be; returns export and postings, 0 for none."""
    from evbilling.books import export_journal, left_to_export
    from evbilling.period import Period
    from evbilling_airflow.connections import services

    params, here = context["params"], services(with_platform=False)
    period = Period.parse(params["period"])
    with here.warehouse() as connection:
        left = left_to_export(connection, period)
    for one in left.sums:
        log.info(
            "%s from %s to %s: %s in %s postings",
            one.currency,
            one.credit_account,
            one.debit_account,
            one.amount,
            one.postings,
        )
    if params["dry_run"]:
        return {"export": 0, "postings": left.postings}
    made = export_journal(here.warehouse_url, here.evidence, period, actor=actor(context), reason=params["reason"])
    if made is None:
        log.info("nothing is left to export of %s", period)
        return {"export": 0, "postings": 0}
    for file in made.files:
        log.info("export %s: %s, %s bytes, sha256 %s", made.export_id, file.name, file.size, file.sha256)
    return {"export": made.export_id, "postings": made.postings}
