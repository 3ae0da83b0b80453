"""What the page of one account's billing knows: of the platform, of the warehouse, and of what was typed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from evbilling.errors import EvbillingError, NotReady
from evbilling.money import as_price, minor_unit
from evbilling.period import Period
from evbilling.platform import MOST_USERS, AccountRow, AppUser, PlatformLookup
from evbilling.platform.access import open_lookup
from evbilling.read_models.preview.preview import Preview
from evbilling.read_models.preview.reading import preview_terms
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


@dataclass(frozen=True, slots=True)
class AccountDesk:
    """One account as of `now`. `trouble` says why the platform doesn't answer; what it would tell is empty then.

    `users` are the account's active ones, `named` by id also those whom a setting names.
    """

    account_id: str
    now: datetime
    state: BillingState
    recorded: Sequence[RecordedTerms]
    rows: Sequence[AccountRow] = ()
    users: Sequence[AppUser] = ()
    named: Mapping[str, AppUser] = field(default_factory=dict)
    trouble: EvbillingError | None = None

    @property
    def account(self) -> AccountRow:
        """The account as the platform has it, or with nothing but its id."""
        return self.rows[0] if self.rows else AccountRow(self.account_id, None, None, None, None)

    @property
    def currency(self) -> str | None:
        """The account's currency, if it is one."""
        return self.account.currency if minor_unit(self.account.currency) is not None else None

    def price(self, amount: Decimal) -> Decimal:
        """A fee with its currency's decimals."""
        return as_price(amount, self.currency)

    @property
    def following(self) -> Period:
        """The first period that is still to be billed."""
        return self.state.next_period(self.now)

    @property
    def history(self) -> list[HistoryEntry]:
        """All settings, the last recorded first."""
        return history_of(self.recorded, self.following)

    @property
    def in_force(self) -> BillingTerms | None:
        """The terms in force for the next period."""
        return next((entry.recorded.terms for entry in self.history if entry.is_in_force), None)

    @property
    def seen(self) -> int:
        """The id of the last setting recorded, 0 if there is none."""
        return max((row.setting_id for row in self.recorded), default=0)

    @property
    def has_more_users(self) -> bool:
        """True if there are more users than a list may offer."""
        return len(self.users) > MOST_USERS

    def periods(self, form: TypedSetting) -> list[PeriodChoice]:
        """The periods to choose from, what was chosen among them."""
        try:
            chosen = [Period.parse(form.effective_from)]
        except EvbillingError:
            chosen = []
        return period_choices(self.state, self.now, also=chosen)

    def check(self, form: TypedSetting) -> CheckedSetting:
        """Judge the form by what the platform says of currency and admin."""
        return check_setting(form, self.account_id, self.currency, self.named.get(form.financial_admin_id))


@dataclass(frozen=True, slots=True)
class ShownPreview:
    """What stands beside the form: the preview, or what keeps it from being shown; `notes` on saving the form."""

    preview: Preview | None
    errors: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    trouble: EvbillingError | None = None


def lookup() -> PlatformLookup:
    """The platform, by its Airflow connection."""
    return open_lookup(warehouse.services(with_platform=True).platform_url)


def desk_of(account_id: str, now: datetime, *, chosen: str = "") -> AccountDesk:
    """The account's desk; `chosen` is the admin that a form names. Raises `NotReady` if nobody knows the account."""
    if not account_id or "\x00" in account_id:
        raise NotReady("There is no such account.", fix="pick one from the list")
    with warehouse.reading() as connection:
        state = billing_state(connection, account_id)
        recorded = recorded_settings(connection, None, account_id)
    known: dict[str, Any] = {}
    try:
        platform = lookup()
        known["rows"] = platform.account_rows([account_id])
        known["users"] = platform.active_users(account_id, MOST_USERS + 1)
        ids = {row.terms.financial_admin_id for row in recorded} | {chosen}
        known["named"] = {user.user_id: user for user in platform.users(sorted(id_ for id_ in ids if id_))}
    except EvbillingError as error:
        log.warning("the page of an account goes without the platform: %s", error)
        return AccountDesk(account_id, now, state, recorded, trouble=error)
    if not known["rows"] and not recorded:
        raise NotReady(
            f"Neither the platform nor any setting knows an account {account_id}.", fix="pick one from the list"
        )
    return AccountDesk(account_id, now, state, recorded, **known)


def shown_preview(desk: AccountDesk, form: TypedSetting | None) -> ShownPreview:
    """The preview of what the form says; without one, or with faults in it, of the account as things stand."""
    if desk.trouble:
        return ShownPreview(None, trouble=desk.trouble)
    checked = desk.check(form) if form else CheckedSetting(None, {})
    terms = checked.terms
    period = preview_period(terms, desk.state, desk.recorded, desk.now) if terms else desk.following
    try:
        with warehouse.reading() as connection:
            found = preview_terms(lookup(), connection, desk.account_id, period, terms, now=desk.now)
    except EvbillingError as error:
        log.warning("no preview of an account's billing: %s", error)
        return ShownPreview(None, checked.errors, trouble=error)
    said = notes_on_saving(terms, desk.state, desk.recorded) if terms else []
    return ShownPreview(found, checked.errors, said)
