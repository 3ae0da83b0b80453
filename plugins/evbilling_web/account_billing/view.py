"""The view model of one account's billing: its settings, its data on the platform, and the preview of a form."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from evbilling.errors import EvbillingError, NotReady
from evbilling.missed_months import ForgivenMonth, MissedMonth, forgiven_months, missed_months
from evbilling.money import as_price, minor_unit
from evbilling.period import Period
from evbilling.platform import MOST_USERS, AccountRow, AppUser, PlatformLookup, Users
from evbilling.platform.access import open_lookup
from evbilling.read_models.preview import Preview, preview_terms
from evbilling.settings import (
    BillingState,
    BillingTerms,
    CheckedSetting,
    HistoryEntry,
    PeriodChoice,
    RecordedTerms,
    TypedSetting,
    billing_state,
    check_setting,
    history_of,
    notes_on_saving,
    period_choices,
    preview_period,
    recorded_settings,
)
from evbilling_web import warehouse

log = logging.getLogger(__name__)

_MISSED_SHOWN = 120


@dataclass(frozen=True, slots=True)
class HeldPeriod:
    """A month that the account is not billed in, and the faults that its run found.

    `is_fixed`: with the settings and the platform as they are now it would be billed.
    """

    period: Period
    faults: tuple[str, ...]
    is_fixed: bool = False


@dataclass(frozen=True, slots=True)
class AccountBilling:
    """One account as of `now`. With `platform_error` set the platform didn't answer, and its data is empty.

    `users` are the account's active users; `named` are the users named in settings or in the form; `held` the months on
    hold, newest first; `missed` the months that it has missed, oldest first; `forgiven` those forgiven, newest first.
    """

    account_id: str
    now: datetime
    state: BillingState
    recorded: Sequence[RecordedTerms]
    rows: Sequence[AccountRow] = ()
    users: Sequence[AppUser] = ()
    named: Users = field(default_factory=Users)
    platform_error: EvbillingError | None = None
    held: Sequence[HeldPeriod] = ()
    missed: Sequence[MissedMonth] = ()
    forgiven: Sequence[ForgivenMonth] = ()

    @property
    def account(self) -> AccountRow:
        """The account on the platform; only its id if it isn't there."""
        return self.rows[0] if self.rows else AccountRow(self.account_id, None, None, None, None)

    @property
    def currency(self) -> str | None:
        """The account's currency; None if it is invalid."""
        return self.account.currency if minor_unit(self.account.currency) is not None else None

    def price(self, amount: Decimal) -> Decimal:
        """A fee with its currency's decimals."""
        return as_price(amount, self.currency)

    @property
    def next_period(self) -> Period:
        """The next period to be billed."""
        return self.state.next_period(self.now)

    @property
    def offered_period(self) -> Period:
        """The period that the form offers: the oldest that still has to be fixed, or else the next to be billed."""
        return min((held.period for held in self.held if not held.is_fixed), default=self.next_period)

    @property
    def offered(self) -> BillingTerms | None:
        """The terms in force for the period that the form offers."""
        entries = history_of(self.recorded, self.offered_period)
        return next((entry.recorded.terms for entry in entries if entry.is_in_force), None)

    @property
    def history(self) -> list[HistoryEntry]:
        """All settings, newest first."""
        return history_of(self.recorded, self.next_period)

    @property
    def in_force(self) -> BillingTerms | None:
        """The terms in force for the next period."""
        return next((entry.recorded.terms for entry in self.history if entry.is_in_force), None)

    @property
    def last_setting_id(self) -> int:
        """The id of the last recorded setting; 0 if there is none."""
        return max((row.setting_id for row in self.recorded), default=0)

    @property
    def has_more_users(self) -> bool:
        """True if there are too many users for a list."""
        return len(self.users) > MOST_USERS

    def periods(self, form: TypedSetting) -> list[PeriodChoice]:
        """The periods to choose from, including the one chosen in the form."""
        try:
            chosen = [Period.parse(form.effective_from)]
        except EvbillingError:
            chosen = []
        return period_choices(self.state, self.now, also=chosen)

    def check(self, form: TypedSetting) -> CheckedSetting:
        """Check the form against the account's currency and the chosen admin."""
        chosen = form.financial_admin_id
        why_not = self.named.why_not_own(chosen, self.account_id)
        return check_setting(form, self.account_id, self.currency, self.named.get(chosen), why_not)


@dataclass(frozen=True, slots=True)
class PreviewPanel:
    """The panel beside the form: the preview or the reason for its absence, and `notes` on saving the form."""

    preview: Preview | None
    errors: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    error: EvbillingError | None = None


def lookup() -> PlatformLookup:
    """The platform's look-ups, by its Airflow connection."""
    return open_lookup(warehouse.services(with_platform=True).platform_url)


def load_account(account_id: str, now: datetime, *, chosen: str = "") -> AccountBilling:
    """The account; `chosen` is the admin in the form. Raises `NotReady` if neither platform nor settings know it."""
    if not account_id or "\x00" in account_id:
        raise NotReady("There is no such account.", fix="Choose one from the list.")
    with warehouse.reading() as connection:
        state = billing_state(connection, account_id)
        recorded = recorded_settings(connection, None, account_id)
        missed = missed_months(connection, now, account_id=account_id, limit=_MISSED_SHOWN).shown
        forgiven = forgiven_months(connection, account_id)
    found: dict[str, Any] = {}
    months: dict[str, Any] = {"missed": missed, "forgiven": forgiven}
    try:
        platform = lookup()
        found["rows"] = platform.account_rows([account_id])
        found["users"] = platform.active_users(account_id, MOST_USERS + 1)
        ids = {row.terms.financial_admin_id for row in recorded} | {chosen}
        found["named"] = platform.users(sorted(id_ for id_ in ids if id_))
    except EvbillingError as error:
        log.warning("an account's page is shown without platform data: %s", error)
        unknown = [HeldPeriod(period, (fault,)) for period, fault in state.faults]
        return AccountBilling(account_id, now, state, recorded, platform_error=error, held=unknown, **months)
    if not found["rows"] and not recorded:
        raise NotReady(
            f"There is no account {account_id} on the platform or in the settings.", fix="Choose one from the list."
        )
    held = _held(platform, account_id, state, now)
    return AccountBilling(account_id, now, state, recorded, **found, held=held, **months)


def _held(platform: PlatformLookup, account_id: str, state: BillingState, now: datetime) -> list[HeldPeriod]:
    """The months on hold, each looked at again as a run would now. Without an answer, none counts as fixed."""
    faults: dict[Period, list[str]] = {}
    for period, fault in state.faults:
        faults.setdefault(period, []).append(fault)
    found = []
    for period, texts in faults.items():
        try:
            with warehouse.reading() as connection:
                outcome = preview_terms(platform, connection, account_id, period, None, now=now).current
        except EvbillingError as error:
            log.warning("it isn't known whether %s of an account is fixed: %s", period, error)
            outcome = None
        is_fixed = outcome is not None and outcome.terms is not None and not outcome.problems
        found.append(HeldPeriod(period, tuple(texts), is_fixed))
    return found


def preview_panel(billing: AccountBilling, form: TypedSetting | None) -> PreviewPanel:
    """The preview of the form; without a form, or with errors in it, of the current setting."""
    if billing.platform_error:
        return PreviewPanel(None, error=billing.platform_error)
    checked = billing.check(form) if form else CheckedSetting(None, {})
    terms = checked.terms
    period = preview_period(terms, billing.state, billing.recorded, billing.now) if terms else billing.next_period
    try:
        with warehouse.reading() as connection:
            preview = preview_terms(lookup(), connection, billing.account_id, period, terms, now=billing.now)
    except EvbillingError as error:
        log.warning("no preview of an account's billing: %s", error)
        return PreviewPanel(None, checked.errors, error=error)
    return PreviewPanel(
        preview, checked.errors, notes_on_saving(terms, billing.state, billing.recorded) if terms else []
    )
