"""Where the platform, the warehouse and the evidence are, and how each is opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from evbilling.evidence import EvidenceStore
from evbilling.platform import INVENTORY_TABLES
from evbilling.platform.access import open_source
from evbilling.progress import Progress
from evbilling.warehouse import agreed_clock, connected

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import psycopg

    from evbilling.platform import InventorySource, Table


@dataclass(frozen=True, slots=True)
class Services:
    """The URLs of the platform, the warehouse (as writer) and the evidence store, and where a long step counts."""

    platform_url: str
    warehouse_url: str
    evidence_url: str
    progress: Progress = field(default_factory=Progress, compare=False)

    @property
    def evidence(self) -> EvidenceStore:
        return EvidenceStore(self.evidence_url)

    def warehouse(self) -> AbstractContextManager[psycopg.Connection[Any]]:
        """One transaction on the warehouse."""
        return connected(self.warehouse_url, what="warehouse")

    def now(self) -> datetime:
        """The warehouse's time, by which a step decides what has begun and what is due; read it once a step.

        Raises `NotReady` if this machine's clock disagrees with it.
        """
        with self.warehouse() as connection:
            return agreed_clock(connection)

    def source(self, run_id: int, tables: Sequence[Table] = INVENTORY_TABLES) -> InventorySource:
        """The platform's `tables` as run `run_id` reads them.

        Files are first copied into the warehouse's schema staging; closing the run drops the copies.
        """
        return open_source(self.platform_url, self.warehouse_url, run_id, tables)
