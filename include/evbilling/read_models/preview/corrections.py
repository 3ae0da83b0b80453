"""What a correction of a statement would come to, by the inventory and the settings as they are now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from evbilling.money import from_minor
from evbilling.period import Period
from evbilling.platform import CountWindow, PlatformLookup
from evbilling.read_models.preview.preview import Preview
from evbilling.read_models.preview.reading import preview_terms
from evbilling.warehouse import fetch_all


@dataclass(frozen=True, slots=True)
class CorrectionPreview:
    """A connector statement, its `total` after its corrections, and the account's month as it would be billed `now`.

    `is_waiting`: a charge of it is under way. `is_written_off`: so it isn't corrected. `has_history`: False if the
    platform's rows of the account all begin after the count, so that a run would bill the stored snapshot, which isn't
    read here.
    """

    statement_id: str
    account_id: str
    period: Period
    currency: str
    total: Decimal
    is_waiting: bool
    is_written_off: bool
    has_history: bool
    preview: Preview

    @property
    def difference(self) -> Decimal:
        """The total of the correction: above zero a debit, below a credit."""
        return self.preview.current.total - self.total


def preview_corrections(
    platform: PlatformLookup, connection: psycopg.Connection[Any], statement_ids: Sequence[str], *, now: datetime
) -> list[CorrectionPreview]:
    """A preview for each of the ids that is a connector statement; changes nothing.

    Raises `TransientError` if the platform doesn't answer, or not in time.
    """
    rows = fetch_all(connection, "read_models/preview/effective", statements=list(statement_ids))
    found = []
    for statement_id, account_id, written, currency, unit, total_minor, *waits in rows:
        period = Period.parse(written)
        preview = preview_terms(platform, connection, account_id, period, None, now=now)
        has_history = preview.connectors > 0 or not begins_later(platform, account_id, preview.counted_at, now)
        is_waiting, is_written_off = waits
        found.append(
            CorrectionPreview(
                statement_id,
                account_id,
                period,
                currency,
                from_minor(total_minor, unit),
                is_waiting,
                is_written_off,
                has_history,
                preview,
            )
        )
    return found


def begins_later(platform: PlatformLookup, account_id: str, counted_at: datetime, now: datetime) -> bool:
    """True if the account has chargers on the platform, and none of their rows reaches back to the count."""
    begins = platform.history_of(account_id, CountWindow(counted_at, now)).chargers.column("valid_from")
    earlier = pc.fill_null(pc.less_equal(begins, pa.scalar(counted_at, begins.type)), True)
    return len(begins) > 0 and not pc.any(earlier).as_py()
