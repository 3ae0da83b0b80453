"""Months drawn connector by connector, staged without the product's steps, and a recount of their change by cause."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

Key = tuple[str, int]
# (connectors, minor units) by account and currency, then by cause.
Changes = dict[tuple[str, str], dict[str, tuple[int, int]]]


@dataclass(frozen=True)
class Terms:
    """What an account pays in a month, in minor units. `is_on_hold`: a fault quarantines it, unless it is forgiven."""

    fee: int = 500
    dc_fee: int = 900
    tax_rate: Decimal = Decimal("0.19")
    exclude_closed: bool = False
    exclude_private: bool = False
    currency: str = "EUR"
    is_on_hold: bool = False
    is_forgiven: bool = False

    @property
    def is_decided(self) -> bool:
        return not (self.is_on_hold or self.is_forgiven)


@dataclass(frozen=True)
class Place:
    """A connector in a month: whose it is, and what the rules look at."""

    account_id: str
    power_type: str = "AC"
    is_in_service: bool = True
    scope: str = "Public"


@dataclass(frozen=True)
class Month:
    """Accounts with billing on, and connectors by charger and number."""

    terms: Mapping[str, Terms]
    places: Mapping[Key, Place]

    def decisions(self) -> dict[tuple[str, Key], tuple[str, str | None]]:
        """(power type, rule) of each connector of an account that is billed; the rule is None if it is billed."""
        found = {}
        for key, place in self.places.items():
            terms = self.terms.get(place.account_id)
            if terms and terms.is_decided:
                rule = (
                    "NOT-IN-SERVICE"
                    if not place.is_in_service
                    else "SCOPE-CLOSED"
                    if place.scope == "Closed" and terms.exclude_closed
                    else "SCOPE-PRIVATE"
                    if place.scope == "Private" and terms.exclude_private
                    else None
                )
                found[place.account_id, key] = (place.power_type, rule)
        nets = self.nets(found)
        return {
            (owner, key): (power, "FEE-ZERO" if rule is None and not nets[owner] else rule)
            for (owner, key), (power, rule) in found.items()
        }

    def nets(self, decisions: Mapping[tuple[str, Key], tuple[str, str | None]]) -> Counter[str]:
        """What each account owes before tax."""
        nets: Counter[str] = Counter()
        for (owner, _), (power, rule) in decisions.items():
            if rule is None:
                nets[owner] += getattr(self.terms[owner], _FEE[power])
        return nets


@dataclass
class Bill:
    """What was issued for an account, or would be: its terms, decisions and total."""

    terms: Terms
    decisions: dict[Key, tuple[str, str | None]]
    total: int = 0

    @property
    def billed(self) -> int:
        return sum(rule is None for _, rule in self.decisions.values())


def bills_of(month: Month) -> dict[str, Bill]:
    """The bill of each account that isn't on hold or forgiven; a total of 0 where nothing is owed."""
    decisions = month.decisions()
    nets, own = month.nets(decisions), defaultdict[str, dict[Key, tuple[str, str | None]]](dict)
    for (owner, key), found in decisions.items():
        own[owner][key] = found
    return {
        account_id: Bill(terms, own[account_id], with_tax(nets[account_id], terms.tax_rate))
        for account_id, terms in month.terms.items()
        if terms.is_decided
    }


def with_tax(net: int, rate: Decimal) -> int:
    """The total of a net amount, its tax rounded half up once."""
    return net + int((net * rate).quantize(Decimal(1), ROUND_HALF_UP))


def stage_month(connection: psycopg.Connection[Any], period: str, month: Month, dag_id: str) -> tuple[int, int]:
    """Stage a month as a run of `dag_id` has it before it is planned; returns the run and its epoch."""

    def call(query: str, *values: object) -> Any:
        return connection.execute(query.encode(), values).fetchone()

    (run_id,) = call("select billing.open_run(%s, 'drawn', %s, 'ann', 'drawn', 'no')", dag_id, period)
    call("select billing.open_stage(%s)", run_id)
    table, epoch = call("select * from billing.open_shard(%s, 0)", run_id)
    call("select billing.make_shard_table(%s, 0, %s)", run_id, epoch)
    settings, decisions, bills = {}, month.decisions(), bills_of(month)
    for account_id, terms in month.terms.items():
        (settings[account_id],) = call(
            """insert into billing.account_setting (account_id, effective_from, charge_connectors, fee_per_connector,
                                                    exclude_closed, exclude_private, tax_rate, actor)
               values (%s, %s, true, %s, %s, %s, %s, 'ann') returning setting_id""",
            account_id,
            period,
            Decimal(terms.fee) / 100,
            terms.exclude_closed,
            terms.exclude_private,
            terms.tax_rate,
        )
    with connection.cursor() as cursor:
        cursor.executemany(
            f"""insert into staging.{table}
                (account_id, charger_id, connector_id, power_type, rule_id, unit_price_minor)
                values (%s, %s, %s, %s, %s, %s)""".encode(),
            [
                (owner, *key, power, rule, None if rule else getattr(month.terms[owner], _FEE[power]))
                for (owner, key), (power, rule) in decisions.items()
            ],
        )
    connection.execute(
        """insert into billing.run_shard (run_id, shard, inventory_uri, inventory_sha256, extracted_rows)
           values (%s, 0, 'x', 'x', 0)""",
        (run_id,),
    )
    call("select billing.close_shard(%s, 0, %s, %s, 'x', 'x', '{}')", run_id, epoch, len(decisions))
    (epoch,) = call("select billing.raise_fence(%s)", f"issue {period}")
    call("select billing.open_drafts(%s, %s)", run_id, epoch)
    for account_id, terms in month.terms.items():
        bill = bills.get(account_id)
        if bill and bill.total:
            counts = [sum(found == (power, None) for found in bill.decisions.values()) for power in ("AC", "DC")]
            net = counts[0] * terms.fee + counts[1] * terms.dc_fee
            connection.execute(
                f"""insert into staging.run_{run_id}_statement values (
                        %s, %s, 'fa', 'UTC', now(), %s, 2, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""".encode(),
                (
                    *(account_id, account_id, terms.currency, settings[account_id], terms.fee, terms.dc_fee),
                    *(terms.exclude_closed, terms.exclude_private, terms.tax_rate),
                    *(*counts, net, bill.total - net, bill.total),
                ),
            )
        else:
            reason = "FEE-ZERO" if bill and _is_free(bill) else "NO-CONNECTORS" if bill else _why_undecided(terms)
            connection.execute(
                f"insert into staging.run_{run_id}_unbilled values (%s, %s, 'x', %s, 1, 5.00, %s)".encode(),
                (account_id, reason, reason == "FEE-INVALID", terms.currency),
            )
    call("select billing.number_drafts(%s, %s)", run_id, epoch)
    return run_id, epoch


_FEE = {"AC": "fee", "DC": "dc_fee"}


def _is_free(bill: Bill) -> bool:
    return any(rule == "FEE-ZERO" for _, rule in bill.decisions.values())


def _why_undecided(terms: Terms) -> str:
    return "FORGIVEN" if terms.is_forgiven else "FEE-INVALID"


def _why_whole(terms: Terms | None, without_billing: str) -> str | None:
    """The cause that explains all of an account, by its terms in the month in which it isn't billed."""
    if terms is None:
        return without_billing
    return "FORGIVEN" if terms.is_forgiven else "ON-HOLD" if terms.is_on_hold else None


def issue_month(connection: psycopg.Connection[Any], run_id: int, epoch: int) -> None:
    """Issue a month that is planned, as the policy *issue at once* lets it be."""
    decide = """select billing.decide_on_plan(plan_id, plan_hash, 'all', 'approved', 'policy', 'ann', 'drawn')
                from billing.plan where run_id = %s"""
    connection.execute(decide, (run_id,))
    query = "select statements + decisions + unbilled from billing.publish_connector_statements(%s, %s, 'ann', 'x')"
    (written,) = connection.execute(query, (run_id, epoch)).fetchone() or (0,)
    state = "issued" if written else "unchanged"
    connection.execute("select billing.settle_run(%s, %s, %s, %s)", (run_id, state, Jsonb({}), Jsonb([])))


@dataclass
class Recount:
    """The change between two months, connector by connector, as docs/rules.md defines the causes."""

    before: Month
    corrected: Mapping[str, Bill]
    now: Month
    owners_then: dict[Key, set[str]] = field(default_factory=lambda: defaultdict(set))
    owners_now: dict[Key, set[str]] = field(default_factory=lambda: defaultdict(set))
    changes: Changes = field(default_factory=lambda: defaultdict(lambda: defaultdict(lambda: (0, 0))))

    def count(self) -> Changes:
        issued, bills = bills_of(self.before), bills_of(self.now)
        for owners, known in ((self.owners_then, issued | dict(self.corrected)), (self.owners_now, bills)):
            for account_id, bill in known.items():
                for key in bill.decisions:
                    owners[key].add(account_id)
        for account_id in {*self.before.terms, *self.now.terms}:
            first, bill = issued.get(account_id), bills.get(account_id)
            then = self.corrected.get(account_id, first)
            if first and then and first.total:
                self._add(
                    account_id, first.terms.currency, "CORRECTION", then.billed - first.billed, then.total - first.total
                )
            self._account(account_id, first, then, bill)
        found = {key: {c: v for c, v in causes.items() if v != (0, 0)} for key, causes in self.changes.items()}
        return {key: causes for key, causes in found.items() if causes}

    def _account(self, account_id: str, first: Bill | None, then: Bill | None, bill: Bill | None) -> None:
        was, is_now = bool(first and first.total), bool(bill and bill.total)
        terms_then, terms_now = self.before.terms.get(account_id), self.now.terms.get(account_id)
        whole = None
        if was and is_now and first.terms.currency != bill.terms.currency:
            whole = "CURRENCY"
        elif was and not is_now:
            whole = _why_whole(terms_now, "NO-LONGER-BILLED")
        elif is_now and not was:
            whole = _why_whole(terms_then, "FIRST-BILLED")
        if whole:
            if was:
                self._add(account_id, first.terms.currency, whole, -then.billed, -then.total)
            if is_now:
                self._add(account_id, bill.terms.currency, whole, bill.billed, bill.total)
        elif was or is_now:
            self._compare(account_id, first, then if was else first, bill, was=was, is_now=is_now)

    def _compare(self, account_id: str, first: Bill, then: Bill, bill: Bill, *, was: bool, is_now: bool) -> None:
        currency = (bill if is_now else first).terms.currency
        # Without a statement then, its fees are taken to have been those of now, unless they came to nothing.
        if was:
            # The corrected fee of a power type is known by its connectors; without one it is that of the statement.
            left = {power for power, rule in then.decisions.values() if rule in {None, "FEE-ZERO"}}
            old = {power: getattr((then if power in left else first).terms, name) for power, name in _FEE.items()}
            rate = first.terms.tax_rate
        else:
            old = {"AC": 0, "DC": 0} if _is_free(then) else {"AC": bill.terms.fee, "DC": bill.terms.dc_fee}
            rate = bill.terms.tax_rate
        if is_now:
            new = {"AC": bill.terms.fee, "DC": bill.terms.dc_fee}
        else:
            new = {"AC": 0, "DC": 0} if _is_free(bill) else old
        state = {key: power for key, (power, rule) in then.decisions.items() if rule in {None, "FEE-ZERO"}}
        goal = {key: power for key, (power, rule) in bill.decisions.items() if rule in {None, "FEE-ZERO"}}
        at_first = total = with_tax(sum(old[power] for power in state.values()), rate)
        billed = then.billed if was else 0
        for cause in ("REMOVED", "MOVED", "IN-SERVICE", "SCOPE-STATUS", "SETTINGS", "POWER-TYPE", "NEW"):
            moved = 0
            for key in {*state, *goal}:
                if state.get(key) != goal.get(key) and self._cause(account_id, key, then, bill) == cause:
                    moved += (key in goal) - (key in state)
                    state.pop(key, None)
                    if key in goal:
                        state[key] = goal[key]
            after = with_tax(sum(old[power] for power in state.values()), rate)
            self._add(account_id, currency, cause, moved, after - total)
            total, billed = after, billed + moved
        assert state == goal
        at_new = with_tax(sum(new[power] for power in state.values()), rate)
        self._add(account_id, currency, "FEE", (bill.billed if is_now else 0) - billed, at_new - total)
        last = bill.total if is_now else 0
        self._add(account_id, currency, "TAX", 0, last - at_new + (at_first - then.total if was else 0))

    def _cause(self, account_id: str, key: Key, then: Bill, bill: Bill) -> str:
        before, after = then.decisions.get(key), bill.decisions.get(key)
        if after is None:
            return "MOVED" if self.owners_now[key] - {account_id} else "REMOVED"
        if before is None:
            return "MOVED" if self.owners_then[key] - {account_id} else "NEW"
        rules = (before[1], after[1])
        if "NOT-IN-SERVICE" in rules:
            return "IN-SERVICE"
        for rule, excludes in (("SCOPE-CLOSED", "exclude_closed"), ("SCOPE-PRIVATE", "exclude_private")):
            if after[1] == rule and not getattr(self._excluded_then(account_id), excludes):
                return "SETTINGS"
            if before[1] == rule and not getattr(self.now.terms[account_id], excludes):
                return "SETTINGS"
        return "SCOPE-STATUS" if any(r and r.startswith("SCOPE") for r in rules) else "POWER-TYPE"

    def _excluded_then(self, account_id: str) -> Terms:
        return self.before.terms[account_id]

    def _add(self, account_id: str, currency: str, cause: str, connectors: int, minor: int) -> None:
        had = self.changes[account_id, currency][cause]
        self.changes[account_id, currency][cause] = (had[0] + connectors, had[1] + minor)


def planned_changes(connection: psycopg.Connection[Any], plan_id: int) -> Changes:
    """What the plan says."""
    found: Changes = {}
    query = "select account_id, currency, cause, connectors, minor from billing.plan_change where plan_id = %s"
    for account_id, currency, cause, connectors, minor in connection.execute(query, (plan_id,)):
        found.setdefault((account_id, currency), {})[cause] = (connectors, minor)
    return found
