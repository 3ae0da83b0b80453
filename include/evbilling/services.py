"""What every step of a month works with, and how a step's failure is recorded."""

from __future__ import annotations

import logging
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evbilling.errors import EvbillingError
from evbilling.evidence import EvidenceStore
from evbilling.platform import INVENTORY_TABLES
from evbilling.platform.access import open_source
from evbilling.warehouse import runs
from evbilling.warehouse.connect import connected

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import pandas as pd
    import psycopg

    from evbilling.platform import InventorySource, Table


log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Services:
    """Where the platform, the warehouse (as writer) and the evidence lie."""

    platform_url: str
    warehouse_url: str
    evidence_url: str

    @property
    def evidence(self) -> EvidenceStore:
        return EvidenceStore(self.evidence_url)

    def warehouse(self) -> AbstractContextManager[psycopg.Connection[Any]]:
        """One transaction on the warehouse."""
        return connected(self.warehouse_url, what="warehouse")

    def source(self, run_id: int, tables: Sequence[Table] = INVENTORY_TABLES) -> InventorySource:
        """The platform's `tables` as run `run_id` reads them.

        Files are first copied beside the warehouse's staging tables; the copies go when the run is closed.
        """
        return open_source(self.platform_url, self.warehouse_url, run_id, tables)

    def accounts(self, run: runs.Run) -> pd.DataFrame:
        """The accounts of a run, as `evbilling.scope.billed_accounts` made them when it was opened."""
        return self.evidence.get_table(run.accounts_uri, run.accounts_sha256).to_pandas()  # type: ignore[no-any-return]

    @contextmanager
    def recording_failure(self, run_id: int) -> Generator[None, None, None]:
        """Record why the block failed in the run's record, then let the error go on."""
        try:
            yield
        except Exception as error:
            try:
                with self.warehouse() as connection:
                    runs.mark_failed(connection, run_id, str(error))
            except EvbillingError:
                pass  # The warehouse is what fails: the error itself says so.
            raise


def stands(run: runs.Run) -> bool:
    """True, and said in the log, if `run` has settled: its evidence and decisions are final, so a step leaves them."""
    if run.is_settled:
        log.info(
            "0 rows written: run %s has settled %s already (%s); to look at the inventory anew, clear open_run too "
            "or trigger the period again",
            run.run_id,
            run.period,
            run.state,
        )
    return run.is_settled


def evidence_folder(period: str, run_id: int) -> str:
    """Where a run's evidence lies in the store."""
    return f"{period}/run-{run_id}"
