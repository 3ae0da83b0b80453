"""Task correct: issue a linked credit or debit note for each issued statement whose amounts have changed since."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import psycopg

from evbilling import run_steps
from evbilling.connector_statements.stage import drafts_to_look_at, stage_drafts
from evbilling.errors import BadInput
from evbilling.money import from_minor
from evbilling.services import Services
from evbilling.typed_text import require_text
from evbilling.warehouse import fetch_all, runs, select_row

log = logging.getLogger(__name__)

# The log names at most this many corrections; it always has their number.
_NAMED = 100

WAITS = "waits for the charge under way, for its write-off to be undone, or for goodwill to be charged back"


@dataclass(frozen=True, slots=True)
class Correction:
    """What a run found of one issued statement. Amounts are the change to it, in major units of `currency`.

    `due`: a correction would be issued; `waits`: it can't be issued yet, see `WAITS`; `corrected`: `correction_id` was
    issued by this run; `on_hold`: its account has a fault now; `as_issued`: nothing has changed; `unknown`: the month
    has no such connector statement.
    """

    statement_id: str
    state: Literal["due", "waits", "corrected", "on_hold", "as_issued", "unknown"]
    total: Decimal | None = None
    net: Decimal | None = None
    tax: Decimal | None = None
    currency: str | None = None
    account_id: str | None = None
    correction_id: str | None = None

    def __str__(self) -> str:
        """The correction in one line."""
        waits = f"; {WAITS}" if self.state == "waits" else ""
        amounts = f"{self.total:+} {self.currency} (net {self.net:+}, tax {self.tax:+})"
        return f"{self.statement_id} of {self.account_id}: {amounts}{waits}"


def correct_statements(
    services: Services,
    run_id: int,
    *,
    reason: str,
    dry_run: bool = False,
    only: Collection[str] = (),
    expected: Mapping[str, Decimal] | None = None,
) -> dict[str, Any]:
    """Issue a correction for each issued statement of the period, or of `only`, whose amounts differ from the run's.

    Returns {"outcome", "corrections", "lines", "waiting", "results"}; `results` has a `Correction` for each of `only`,
    or without it for each that is due or issued. Outcomes: `issued`; `unchanged`, if nothing differs; `differs`, if a
    dry run found something or every correction waits; `superseded`. The same difference is corrected once. Accounts
    that have a fault now are left alone. `expected` has the amounts that somebody decided on, by statement: with
    another amount for any of them nothing is issued. Raises `BadInput` for that, and if no reason is given, or one that
    may not be kept.
    """
    require_text("reason", reason, "correct_statements", missing="say why: it is kept in the audit")
    found: list[Correction] = []
    counts = run_steps.publish_run(
        services,
        run_id,
        lambda services, run: _correct(services, run, reason.strip(), dry_run, only, expected, found),
        ("corrections", "lines", "waiting"),
    )
    with services.warehouse() as connection:
        issued = {one.statement_id: one for one in _issued_by(connection, run_id)}
    by_id = {one.statement_id: one for one in found} | issued
    results = [by_id.get(id_, Correction(id_, "unknown")) for id_ in dict.fromkeys(only)] if only else by_id.values()
    return {**counts, "results": list(results)}


def _correct(
    services: Services,
    run: runs.Run,
    reason: str,
    dry_run: bool,
    only: Collection[str],
    expected: Mapping[str, Decimal] | None,
    found: list[Correction],
) -> dict[str, Any]:
    named, corrections, lines = list(only) or None, 0, 0
    if dry_run:
        with drafts_to_look_at(services, run) as (connection, drafts):
            due = _due(connection, run.run_id, drafts.quarantined, named)
    else:
        epoch, drafts = stage_drafts(services, run)
    held = drafts.quarantined
    with services.warehouse() as connection:
        if not dry_run:
            due = _due(connection, run.run_id, held, named)
            connection.execute("select billing.keep_names(%s, %s, true)", (run.run_id, epoch))
            publish = "select * from billing.publish_corrections(%s, %s, %s, %s, %s, %s)"
            corrections, lines = select_row(connection, publish, run.run_id, epoch, held, named, run.actor, reason)
            _require_as_expected(expected, _issued_by(connection, run.run_id))
        outcome = "issued" if corrections else "differs" if due else "unchanged"
        facts = {"corrections": corrections, "lines": lines, "held": 0, "dry_run": dry_run}
        runs.mark_settled(connection, run.run_id, outcome, facts=facts, differences=[])
        found += [*_not_due(connection, run.period, set(held), only), *due]
    for correction in due[:_NAMED]:
        log.info("%s%s", "dry run: " if dry_run else "", correction)
    log.info(
        "%s: %s corrections issued, %s lines%s",
        run.period,
        corrections,
        lines,
        f"; {len(due)} would be issued" if dry_run else "",
    )
    waiting = sum(correction.state == "waits" for correction in due)
    return {"outcome": outcome, "corrections": corrections, "lines": lines, "waiting": waiting}


def _due(connection: psycopg.Connection[Any], run_id: int, held: list[str], only: list[str] | None) -> list[Correction]:
    """The corrections that are due, each with whether it waits."""
    due = []
    rows = connection.execute("select * from billing.corrections_due(%s, %s, %s)", (run_id, held, only))
    for statement_id, account_id, currency, unit, *minor_amounts, is_waiting in rows:
        net, tax, total = (from_minor(minor, unit) for minor in minor_amounts)
        state: Literal["waits", "due"] = "waits" if is_waiting else "due"
        due.append(Correction(statement_id, state, total, net, tax, currency, account_id))
    return due


def _not_due(
    connection: psycopg.Connection[Any], period: str, held: set[str], only: Collection[str]
) -> list[Correction]:
    """Of the statements that were asked for, those of the month; what is due replaces them."""
    rows = fetch_all(connection, "connector_statements/asked_for", period=period, statements=list(only))
    return [Correction(row[0], "on_hold" if row[1] in held else "as_issued", account_id=row[1]) for row in rows]


def _issued_by(connection: psycopg.Connection[Any], run_id: int) -> list[Correction]:
    """The corrections that the run has issued."""
    found = []
    rows = fetch_all(connection, "connector_statements/issued_corrections", run_id=run_id)
    for correction_id, statement_id, account_id, currency, unit, *minor_amounts in rows:
        net, tax, total = (from_minor(minor, unit) for minor in minor_amounts)
        found.append(Correction(statement_id, "corrected", total, net, tax, currency, account_id, correction_id))
    return found


def _require_as_expected(expected: Mapping[str, Decimal] | None, issued: list[Correction]) -> None:
    """Raise `BadInput`, which rolls the corrections back, if they aren't those that were decided on."""
    amounts = {one.statement_id: one.total for one in issued}
    if expected is None or amounts == dict(expected):
        return
    differing = sorted(id_ for id_ in expected.keys() | amounts.keys() if expected.get(id_) != amounts.get(id_))
    words = [f"{id_} by {expected.get(id_, 'nothing')}, now {amounts.get(id_, 'nothing')}" for id_ in differing]
    raise BadInput(
        f"other corrections were decided on: {'; '.join(words[:_NAMED])}",
        where="correct_statements",
        fix="nothing was issued; look again at what would be corrected, and ask anew",
    )
