"""
### Export the journal

Gives the ledger's postings of a month to the books, each exactly once, as files for hledger, Beancount, DATEV, Xero,
QuickBooks and any other program.

**When**: by hand only, from the page Books, once the month is over. Before that it has what is booked so far.

**What it does**: takes everything that is posted before the end of the month and in no export yet, makes a file in each
format by the chart of accounts in force, keeps the files in the evidence store, and records which postings are in them.

**Re-run**: safe; what is exported isn't exported again. A second run of a month has what came later, or nothing.

**A failure means**: the chart of accounts lacks an account, or warehouse or evidence store don't answer. Nothing is
exported then; run it again.

**Runbook**: `docs/runbooks/books.md`
"""

from __future__ import annotations

from airflow.sdk import dag, get_current_context, task

from evbilling_airflow import books
from evbilling_airflow.actions import EXPORT_JOURNAL
from evbilling_airflow.defaults import BY_HAND, Tag
from evbilling_airflow.release import require_release

require_release("0.1.0")


@dag(
    schedule=None,
    **BY_HAND,
    params=EXPORT_JOURNAL.params,
    tags=[Tag.BILLING, Tag.ACTION, Tag.TIER_2],
    doc_md=__doc__,
)
def export_journal() -> None:
    @task(multiple_outputs=True)
    def export() -> dict[str, int]:
        """Make the files and record what is in them."""
        return books.export_journal(get_current_context())

    export()


export_journal()
