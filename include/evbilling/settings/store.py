"""Billing settings in the warehouse: append-only, each with who, when and an audit event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

import pandas as pd
import psycopg
import pyarrow as pa

from evbilling.errors import BadInput, EvbillingError
from evbilling.period import Period
from evbilling.settings.file import COLUMNS
from evbilling.settings.periods import BillingState
from evbilling.settings.terms import BillingTerms, RecordedTerms
from evbilling.typed_text import fault_in
from evbilling.warehouse import connected, execute, fetch_all, fetch_frame, fetch_one, fetch_value

_IN_FORCE_TYPES = {
    **dict.fromkeys(("setting_id", "fee_e4", "dc_fee_e4", "tax_rate_e6"), pa.int64()),
    **dict.fromkeys(("exclude_closed", "exclude_private"), pa.bool_()),
}


@dataclass(frozen=True, slots=True)
class RecordedSettings:
    """The numbers of settings added, and of those that were in force already."""

    added: int
    unchanged: int


class SettingChanged(EvbillingError):
    """Someone else recorded settings of the account meanwhile: `recorded`, oldest first."""

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        fix: str | None = None,
        recorded: Sequence[RecordedTerms] = (),
    ) -> None:
        super().__init__(what, where=where, fix=fix)
        self.recorded = tuple(recorded)


def record_settings(
    warehouse_url: str, terms: Sequence[BillingTerms], actor: str, reason: str = "settings recorded"
) -> RecordedSettings:
    """Add `terms` in one transaction, less those that are the latest of their account and period already.

    Each added one gets an audit event `set_account_billing` by `actor` with `reason`. Raises `BadInput` if an
    account and period come twice or `actor` or `reason` is blank, `NotReady` without the warehouse's tables.
    """
    _require_who_and_why(actor, reason)
    keys = [(row.account_id, row.effective_from) for row in terms]
    if len(set(keys)) != len(keys):
        raise BadInput("an account is set twice from the same period", fix="give one setting each")
    with connected(warehouse_url, what="warehouse") as connection:
        added = _insert(connection, terms, actor, reason)
    return RecordedSettings(added, len(terms) - added)


def record_setting(warehouse_url: str, terms: BillingTerms, actor: str, reason: str, *, seen: int) -> int | None:
    """Add one account's setting by a person who saw its settings up to the id `seen` (0: none).

    Returns its id, or None if the same terms are in force from then on already: a repeated call adds nothing.
    Raises `SettingChanged` if others were recorded since, `BadInput` if `actor` or `reason` is blank.
    """
    _require_who_and_why(actor, reason)
    with connected(warehouse_url, what="warehouse") as connection:
        # Two sessions at once would both find the setting missing.
        connection.execute("select billing.take_lock('settings')")
        in_force = effective_settings(connection, terms.effective_from, terms.account_id)
        if [replace(row, effective_from=terms.effective_from) for row in in_force] == [terms]:
            return None
        history = recorded_settings(connection, None, terms.account_id)
        since = sorted((row for row in history if row.setting_id > seen), key=lambda row: row.setting_id)
        if since:
            who = since[-1]
            raise SettingChanged(
                f"{who.actor} has recorded another setting of {terms.account_id} meanwhile, at "
                f"{who.recorded_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC, so nothing was saved",
                fix="look at the account's settings now, and save again what should still apply",
                recorded=since,
            )
        _insert(connection, [terms], actor, reason)
        # No other session adds any while this one holds the lock.
        return max(row.setting_id for row in recorded_settings(connection, None, terms.account_id))


def _require_who_and_why(actor: str, reason: str) -> None:
    if not actor.strip() or not reason.strip():
        raise BadInput("a setting is recorded with who and why", fix="give --actor and --reason")
    if fault := fault_in(reason):
        raise BadInput(f"the reason {fault}", fix="take it out")


def _insert(connection: psycopg.Connection, terms: Sequence[BillingTerms], actor: str, reason: str) -> int:
    arrays: dict[str, object] = {name: [getattr(row, name) for row in terms] for name in COLUMNS}
    arrays["effective_from"] = [str(row.effective_from) for row in terms]
    ((added,),) = execute(connection, "settings/record", **arrays, actor=actor, reason=reason)
    return int(added)


def effective_settings(
    connection: psycopg.Connection, period: Period, account_id: str | None = None
) -> list[BillingTerms]:
    """The setting in force for `period` of each account (or of `account_id`), ordered by account.

    It is the one with the latest `effective_from` not after the period; of those, the one recorded last.
    """
    return [recorded.terms for recorded in recorded_settings(connection, period, account_id)]


def settings_of(connection: psycopg.Connection, period: Period, account_ids: Sequence[str]) -> dict[str, RecordedTerms]:
    """The settings of these accounts in force for `period`, by account; accounts without one are missing."""
    found = _recorded(connection, "settings/effective", period=str(period), account_ids=list(account_ids))
    return {recorded.terms.account_id: recorded for recorded in found}


def recorded_settings(
    connection: psycopg.Connection, period: Period | None = None, account_id: str | None = None
) -> list[RecordedTerms]:
    """With `period`: `effective_settings` with who and when. Without: all ever recorded, with why, oldest first."""
    accounts = None if account_id is None else [account_id]
    if period is None:
        return _recorded(connection, "settings/history", account_ids=accounts)
    return _recorded(connection, "settings/effective", period=str(period), account_ids=accounts)


def _recorded(connection: psycopg.Connection, name: str, **params: object) -> list[RecordedTerms]:
    return [_recorded_terms(row) for row in fetch_all(connection, name, **params)]


def _recorded_terms(row: tuple[object, ...]) -> RecordedTerms:
    values = dict(zip(COLUMNS, row[: len(COLUMNS)], strict=True))
    values["effective_from"] = Period.parse(values["effective_from"])
    for name in ("fee_per_connector", "fee_per_dc_connector", "tax_rate"):
        values[name] = _shortest(values[name])
    return RecordedTerms(BillingTerms(**values), *row[len(COLUMNS) :])  # type: ignore[arg-type]


def _shortest(amount: object) -> Decimal | None:
    """Without the zeros that the column's scale added: 4.5000 is 4.5, 100.0000 is 100."""
    return Decimal(f"{amount.normalize():f}") if isinstance(amount, Decimal) else None


def terms_in_force(connection: psycopg.Connection, period: Period) -> pd.DataFrame:
    """A row per account that is billed per connector in `period`, by account_id.

    Columns account_id, setting_id, financial_admin_id (None if there is none), fee_e4 and dc_fee_e4 (1/10000 of the
    major unit), exclude_closed, exclude_private, tax_rate_e6 (1/1000000).
    """
    return fetch_frame(connection, "settings/terms_in_force", _IN_FORCE_TYPES, period=str(period))


def billing_state(connection: psycopg.Connection, account_id: str) -> BillingState:
    """How far the account is billed."""
    newest, issued, faults = fetch_one(connection, "settings/billing_state", account_id=account_id)
    return BillingState(
        Period.parse(newest) if newest else None,
        tuple(map(Period.parse, issued)),
        tuple((Period.parse(period), detail) for period, detail in faults),
    )


def next_period(connection: psycopg.Connection, now: datetime) -> Period:
    """The first period still to be billed, over all accounts."""
    newest = fetch_value(connection, "settings/newest_period")
    return BillingState(Period.parse(newest) if newest else None).next_period(now)
