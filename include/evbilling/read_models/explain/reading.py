"""Why one connector was billed in a month, or wasn't: by which rule, from which evidence, by whose setting."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg

from evbilling.period import Period
from evbilling.scope import RULE_REASONS
from evbilling.warehouse import fetch_as, fetch_dicts


@dataclass(frozen=True, slots=True)
class Evidence:
    """The files in which a run found the charger, by their keys in the evidence store, with their SHA-256.

    Those of names are None in a run before names were kept.
    """

    run_id: int
    inventory_uri: str
    inventory_sha256: str
    names_uri: str | None
    names_sha256: str | None


@dataclass(frozen=True, slots=True)
class Decided:
    """What was decided on the connector at one account in one month; names are those at the count.

    `price` is in major units of `currency`. Without a statement these two are None.
    """

    period: str
    account_id: str
    account_name: str | None
    power_type: str | None
    rule_id: str | None
    price: Decimal | None
    currency: str | None
    statement_id: str | None
    name: str | None
    site: str | None
    scope_status: str | None
    standard: str | None
    exclude_closed: bool | None
    exclude_private: bool | None
    set_by: str | None
    set_at: datetime | None
    effective_from: str | None
    run_id: int | None
    corrections: list[str] | None

    @property
    def is_billed(self) -> bool:
        """True if the account's statement has it."""
        return self.rule_id is None

    @property
    def says(self) -> str:
        """The decision in a sentence."""
        if self.rule_id is None:
            return f"Billed to {self.account}."
        return f"Not billed to {self.account}: {RULE_REASONS.get(self.rule_id, self.rule_id)}."

    @property
    def account(self) -> str:
        """The account by name, its id second."""
        return f"{self.account_name} ({self.account_id})" if self.account_name else self.account_id

    @property
    def excludes(self) -> str:
        """Which chargers the setting excludes, in words."""
        kinds = [kind for kind, is_so in (("Closed", self.exclude_closed), ("Private", self.exclude_private)) if is_so]
        return f"{' and '.join(kinds)} chargers" if kinds else "nothing"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything on record about a connector: `decided` in the month asked for, `elsewhere` in others, newest first.

    `evidence` has the files by account. `absent` says why the month has no decision on it; None if it has one.
    """

    charger_id: str
    connector_id: int
    period: str
    decided: tuple[Decided, ...]
    elsewhere: tuple[Decided, ...]
    evidence: dict[str, Evidence]
    absent: str | None


def explain_connector(
    connection: psycopg.Connection[Any], charger_id: str, connector_id: int, period: Period
) -> Explanation:
    """Why the connector was billed in the month or not; where it was last, if the month doesn't have it."""
    of = {"charger": charger_id, "connector": connector_id, "period": str(period)}
    found = fetch_as(connection, Decided, "read_models/explain/decisions", **of)
    decided = tuple(one for one in found if one.period == str(period))
    elsewhere = tuple(one for one in found if one.period != str(period))
    evidence = {}
    for one in decided:
        decisions = f"billing.connector_decision_{str(period).replace('-', '_')}"
        files = {"run": one.run_id, "decisions": decisions, "charger": charger_id}
        for file in fetch_as(connection, Evidence, "read_models/explain/evidence", **files):
            evidence[one.account_id] = file
    absent = None if decided else _absent(connection, charger_id, period, elsewhere)
    return Explanation(charger_id, connector_id, str(period), decided, elsewhere, evidence, absent)


def _absent(
    connection: psycopg.Connection[Any], charger_id: str, period: Period, elsewhere: tuple[Decided, ...]
) -> str:
    """Why a month has no decision on the connector, in one or two sentences."""
    (why,) = fetch_dicts(connection, "read_models/explain/absent", charger=charger_id, period=str(period))
    if why["is_archived"]:
        return f"The decisions of {period} are archived; docs/runbooks/archiving.md says where they are."
    if not why["is_billed"]:
        return f"{period} isn't billed yet."
    if why["unbilled"]:
        return f"Its account got no statement in {period}. {'; '.join(why['unbilled'])}."
    before = next((one for one in elsewhere if one.period < str(period)), None)
    last = before or (elsewhere[-1] if elsewhere else None)
    if last is None:
        return "No month on record has it: the charging platform never had it at an account that was billed."
    when = "It was last there in" if before else "It is first there in"
    return f"No billed account had it at the count of {period}. {when} {last.period}: {last.says}"
