"""Why a connector statement differs from the last month billed before it, and where its connectors are."""

from __future__ import annotations

from typing import Any

import psycopg

from evbilling.causes import CAUSES
from evbilling.read_models.plan import causes_of
from evbilling.read_models.statement.view import Change, ChangedConnector, Header, SiteCount
from evbilling.warehouse import fetch_as, fetch_dicts

# Of more, the page and the PDF have the number by cause.
MOST_CHANGED = 100


def account_change(connection: psycopg.Connection[Any], header: Header, *, is_detailed: bool) -> Change | None:
    """The change of the account by cause, as its plan had it; None where the month was compared with nothing.

    `is_detailed`: with the connectors, up to `MOST_CHANGED` + 1 of them, unless a month's decisions are archived.
    """
    of = {"account": header.account_id, "currency": header.currency, "run": header.run_id}
    found = fetch_dicts(connection, "read_models/statement/change", **of)
    if not found:
        return None
    row = found[0]
    is_archived, plan_id = row.pop("is_archived"), row.pop("plan_id")
    causes = causes_of(connection, plan_id, header.account_id, header.currency)
    has_connectors = is_detailed and row["statement_before"] is not None and not is_archived
    connectors = _connectors(connection, header, row) if has_connectors else ()
    return Change(**row, causes=causes, connectors=connectors[:MOST_CHANGED], has_more=len(connectors) > MOST_CHANGED)


def site_counts(connection: psycopg.Connection[Any], header: Header) -> tuple[SiteCount, ...]:
    """The billed connectors by site, the largest first. Reads all of the account's."""
    of = {"period": header.period, "account": header.account_id, "minor_unit": header.minor_unit}
    return tuple(fetch_as(connection, SiteCount, "read_models/statement/sites", **of))


def _connectors(
    connection: psycopg.Connection[Any], header: Header, change: dict[str, Any]
) -> tuple[ChangedConnector, ...]:
    rows = fetch_dicts(
        connection,
        "read_models/statement/changed_connectors",
        period=header.period,
        before=change["compared_with"],
        account=header.account_id,
        statement=header.statement_id,
        statement_before=change["statement_before"],
        most=MOST_CHANGED + 1,
    )
    # The places count from the first cause of connectors, after the corrections.
    return tuple(ChangedConnector(cause=CAUSES[row.pop("place")].id, **row) for row in rows)
