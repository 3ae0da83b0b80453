"""Billing settings in the warehouse: only ever added to, with who, when and an audit event for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import psycopg

from evbilling.errors import BadInput
from evbilling.period import Period
from evbilling.settings.csvfile import COLUMNS
from evbilling.settings.terms import BillingTerms
from evbilling.sqlfiles import load_sql
from evbilling.warehouse.connect import connected

# Any two that record settings at once would both find a setting missing and both add it.
_LOCK = "evbilling.record_settings"


@dataclass(frozen=True, slots=True)
class RecordedSettings:
    """How many settings were added, and how many were in force already just so."""

    added: int
    unchanged: int


@dataclass(frozen=True, slots=True)
class RecordedTerms:
    """One setting as recorded, with who recorded it and when (UTC)."""

    terms: BillingTerms
    actor: str
    recorded_at: datetime


def record_settings(
    warehouse_url: str, terms: Sequence[BillingTerms], actor: str, reason: str = "settings recorded"
) -> RecordedSettings:
    """Add `terms` in one transaction, less those that are the latest of their account and period already.

    Each added one gets an audit event `set_account_billing` by `actor` with `reason`. Raises `BadInput` if an
    account and period come twice or `actor` or `reason` is blank, `NotReady` without the warehouse's tables.
    """
    if not actor.strip() or not reason.strip():
        raise BadInput("a setting is recorded with who and why", fix="give --actor and --reason")
    keys = [(row.account_id, row.effective_from) for row in terms]
    if len(set(keys)) != len(keys):
        raise BadInput("an account is set twice from the same period", fix="give one setting each")
    with connected(warehouse_url, what="warehouse") as connection:
        connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (_LOCK,))
        added = _insert(connection, terms, actor, reason)
    return RecordedSettings(added, len(terms) - added)


def _insert(connection: psycopg.Connection, terms: Sequence[BillingTerms], actor: str, reason: str) -> int:
    arrays: dict[str, object] = {name: [getattr(row, name) for row in terms] for name in COLUMNS}
    arrays["effective_from"] = [str(row.effective_from) for row in terms]
    row = connection.execute(
        load_sql("queries/settings_record.sql"), {**arrays, "actor": actor, "reason": reason}
    ).fetchone()
    return int(row[0]) if row else 0


def effective_settings(
    connection: psycopg.Connection, period: Period, account_id: str | None = None
) -> list[BillingTerms]:
    """The setting in force for `period` of each account (or of `account_id`), ordered by account.

    It is the one with the latest `effective_from` not after the period; of those, the one recorded last.
    """
    query = load_sql("queries/settings_effective.sql")
    return [recorded.terms for recorded in _recorded(connection, query, period, account_id)]


def recorded_settings(
    connection: psycopg.Connection, period: Period | None = None, account_id: str | None = None
) -> list[RecordedTerms]:
    """With `period`: `effective_settings` with who and when. Without: all ever recorded, oldest first."""
    name = "settings_history" if period is None else "settings_effective"
    return _recorded(connection, load_sql(f"queries/{name}.sql"), period, account_id)


def _recorded(
    connection: psycopg.Connection, query: str, period: Period | None, account_id: str | None
) -> list[RecordedTerms]:
    parameters = {"period": None if period is None else str(period), "account_id": account_id}
    rows = connection.execute(query, parameters).fetchall()
    return [_recorded_terms(row) for row in rows]


def _recorded_terms(row: tuple[object, ...]) -> RecordedTerms:
    values = dict(zip(COLUMNS, row[: len(COLUMNS)], strict=True))
    values["effective_from"] = Period.parse(values["effective_from"])
    for name in ("fee_per_connector", "fee_per_dc_connector", "tax_rate"):
        values[name] = _shortest(values[name])
    actor, recorded_at = row[len(COLUMNS) :]
    return RecordedTerms(BillingTerms(**values), actor, recorded_at)  # type: ignore[arg-type]


def _shortest(amount: object) -> Decimal | None:
    """Without the zeros that the column's scale added: 4.5000 is 4.5, 100.0000 is 100."""
    return Decimal(f"{amount.normalize():f}") if isinstance(amount, Decimal) else None
