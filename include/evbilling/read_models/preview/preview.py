"""One account's month under proposed terms, beside the same under the terms in force. Pure.

Nothing is computed anew here: the account's connectors are counted, decided on and drafted by the functions that bill a
month, only of fewer rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pandas as pd

from evbilling.connector_statements.drafts import draft_statements
from evbilling.money import from_minor, minor_unit
from evbilling.period import Period
from evbilling.platform import AccountRow, AppUser, Users
from evbilling.platform.inventory import AccountHistory, CountInstants, account_inventory
from evbilling.scope import RULE_REASONS, billed_accounts, decide
from evbilling.settings.terms import BillingTerms


@dataclass(frozen=True, slots=True)
class Excluded:
    """Connectors that a rule keeps from being billed."""

    rule_id: str
    reason: str
    connectors: int


@dataclass(frozen=True, slots=True)
class Problem:
    """A fault that would keep the account from getting a statement, in words, with the fix."""

    reason_id: str
    detail: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """A month of the account under `terms` (None: it has none); amounts in major units of the account's currency.

    With `problems` there is no statement: `total` is then the amount expected, and `net` and `tax` are None.
    `nothing` says why there is no statement although there is no problem.
    """

    terms: BillingTerms | None
    ac_count: int = 0
    dc_count: int = 0
    excluded: tuple[Excluded, ...] = ()
    net: Decimal | None = None
    tax: Decimal | None = None
    total: Decimal = Decimal(0)
    problems: tuple[Problem, ...] = ()
    nothing: str | None = None

    @property
    def billed(self) -> int:
        """Connectors billed, or that would be without the problems."""
        return self.ac_count + self.dc_count

    @property
    def comes_in(self) -> Decimal:
        """The amount really charged: zero as long as there is a problem."""
        return Decimal(0) if self.problems else self.total


@dataclass(frozen=True, slots=True)
class Preview:
    """One account and period: `connectors` of the account at `counted_at`, and the outcome for them.

    `currency` is None where the platform has none that ISO 4217 knows.
    """

    account_id: str
    period: Period
    counted_at: datetime
    currency: str | None
    connectors: int
    proposed: Outcome
    current: Outcome

    @property
    def difference(self) -> Decimal:
        """The additional amount charged under the proposed terms; below zero: less."""
        return self.proposed.comes_in - self.current.comes_in


@dataclass(frozen=True, slots=True)
class PlatformFacts:
    """The platform's rows of the account and of others that had its chargers, with their financial admins."""

    accounts: Sequence[AccountRow]
    users: Users
    history: AccountHistory


def preview(
    facts: PlatformFacts,
    account_id: str,
    period: Period,
    proposed: BillingTerms | None,
    current: BillingTerms | None,
    rivals: Sequence[BillingTerms],
    now: datetime,
) -> Preview:
    """The account's month under both terms, counted at the period's count instant, or `now` if that is in the future.

    `rivals` are the terms in force of the other accounts of `facts` that are billed: where a charger moved around
    the count, they may be billed for it instead.
    """
    # An account that isn't charged has connectors too: they are counted as if it were.
    counting = _accounts(facts, [_charging(account_id, proposed or current), *rivals], period, now)
    instants = [instant.to_pydatetime() for instant in counting["count_instant"]]
    inventory = account_inventory(facts.history, CountInstants.of(counting["account_id"].tolist(), instants))
    own = counting.loc[counting["account_id"] == account_id].iloc[0]
    ids = inventory.column("account_id").cast("string").to_pandas()
    unit = minor_unit(own["currency"])

    def outcome(terms: BillingTerms | None) -> Outcome:
        if terms is None or not terms.charge_connectors:
            return _nothing_owed(Outcome(terms), unit)
        # The count used the first of the two; making the accounts again is slow, however few the rows.
        accounts = counting if terms is (proposed or current) else _accounts(facts, [terms, *rivals], period, now)
        summary = decide(inventory, accounts).summary
        return _outcome(terms, accounts, summary[summary["account_id"] == account_id], unit)

    return Preview(
        account_id=account_id,
        period=period,
        counted_at=own["count_instant"].to_pydatetime(),
        currency=own["currency"] if unit is not None else None,
        connectors=int((ids == account_id).sum()),
        proposed=outcome(proposed),
        current=outcome(current),
    )


def _charging(account_id: str, terms: BillingTerms | None) -> BillingTerms:
    if terms is not None:
        return terms
    return BillingTerms(account_id, Period(1900, 1), False, None, Decimal(0), None, False, False, Decimal(0))


def _accounts(facts: PlatformFacts, terms: Sequence[BillingTerms], period: Period, now: datetime) -> pd.DataFrame:
    """The accounts as a month's run would have them, counted `now` where their count instant is in the future."""
    accounts = pd.DataFrame(
        [(a.account_id, a.name, a.time_zone, a.currency) for a in facts.accounts],
        columns=["account_id", "name", "time_zone", "currency"],
        dtype=object,
    )
    names = [field.name for field in fields(AppUser)]
    users = pd.DataFrame([[getattr(user, name) for name in names] for user in facts.users], columns=names, dtype=object)
    in_force = pd.DataFrame([_row(row) for row in terms])
    frame = billed_accounts(accounts, users, in_force, period, {})
    at = [min(instant.to_pydatetime(), now) for instant in frame["count_instant"]]
    if nameless := facts.history.nameless_chargers(CountInstants.of(frame["account_id"].tolist(), at)):
        frame = billed_accounts(accounts, users, in_force, period, nameless)
    return frame.assign(count_instant=pd.to_datetime(at, utc=True))


def _row(terms: BillingTerms) -> dict[str, Any]:
    """The terms as `terms_in_force` reads them from the warehouse."""
    dc_fee = terms.fee_per_connector if terms.fee_per_dc_connector is None else terms.fee_per_dc_connector
    return {
        "account_id": terms.account_id,
        "setting_id": 0,
        "financial_admin_id": terms.financial_admin_id,
        "fee_e4": int(terms.fee_per_connector.scaleb(4)),
        "dc_fee_e4": int(dc_fee.scaleb(4)),
        "exclude_closed": terms.exclude_closed,
        "exclude_private": terms.exclude_private,
        "tax_rate_e6": int(terms.tax_rate.scaleb(6)),
    }


def _outcome(terms: BillingTerms, accounts: pd.DataFrame, summary: pd.DataFrame, unit: int | None) -> Outcome:
    own = accounts[accounts["account_id"] == terms.account_id]
    drafts = draft_statements(own, summary)
    counts = drafts.counts.iloc[0]
    items = summary[~summary["item"].astype(str).str.startswith("fault:")]
    by_rule = items[items["item"] != "billed"].groupby("item", observed=True)["connectors"].sum()
    excluded = tuple(
        Excluded(rule_id, reason, int(by_rule[rule_id]))
        for rule_id, reason in RULE_REASONS.items()
        if rule_id in by_rule
    )
    counted = Outcome(terms, int(counts["ac_count"]), int(counts["dc_count"]), excluded)
    if len(drafts.statements) and unit is not None:
        net, tax = (from_minor(int(counts[name]), unit) for name in ("net_minor", "tax_minor"))
        return replace(counted, net=net, tax=tax, total=net + tax)
    reasons = drafts.unbilled.to_dict("records")
    if reasons[0]["is_quarantined"]:
        problems = tuple(Problem(str(row["reason_id"]), str(row["detail"])) for row in reasons)
        return replace(counted, total=Decimal(reasons[0]["expected_amount"]), problems=problems)
    return replace(_nothing_owed(counted, unit), nothing=str(reasons[0]["detail"]))


def _nothing_owed(outcome: Outcome, unit: int | None) -> Outcome:
    zero = from_minor(0, unit or 0)
    return replace(outcome, net=zero, tax=zero, total=zero)
