"""Reads what one statement says from the warehouse, for its page, its PDF and its mail."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal
from typing import Any, TypeVar

import psycopg

from evbilling.errors import NotReady
from evbilling.read_models.statement import change, lines
from evbilling.read_models.statement.collection import Collection
from evbilling.read_models.statement.view import (
    ACCOUNT,
    CONNECTOR,
    CORRECTION,
    Attempt,
    AuditEvent,
    ByHand,
    Correction,
    Header,
    Payment,
    RetryPlan,
    RunRecord,
    StatementRef,
    StatementView,
    Terms,
)
from evbilling.warehouse import fetch_as, fetch_dicts, select_row

T = TypeVar("T")

# A PDF lists no more than this; it has the totals of the rest.
MOST_CHARGERS = 1_000
MOST_ITEMS = 1_000
# Of more connectors, two months beside each other take seconds; the change by cause is shown all the same.
_MOST_COMPARED = 200_000
# The number of its connectors that a correction shows on the statement that it corrects.
_MOST_BESIDE = 200


def show_statement(
    connection: psycopg.Connection[Any],
    statement_id: str,
    *,
    chargers: int = MOST_CHARGERS,
    items: int = MOST_ITEMS,
    count_excluded_up_to: int | None = None,
) -> StatementView:
    """Everything about one statement of any kind; raises `NotReady` if there is none with this id.

    It has the first `chargers` of a connector statement, the first `items` of an account statement and as many lines of
    a correction: `lines` reads the rest. Excluded connectors are counted unless the statement has more connectors than
    `count_excluded_up_to`. All other queries are short and by key; they see one snapshot if the transaction has one.
    """
    found = _rows(connection, "header", statement=statement_id)
    if not found:
        raise NotReady(
            f"there is no statement {statement_id[:100]}",
            where="warehouse",
            fix="look up its id in the list of statements; ids begin with A, S or C",
        )
    (row,) = found
    is_archived = row.pop("archived_at") is not None
    terms = Terms(**{field.name: row.pop(field.name) for field in fields(Terms)})
    header = Header(**row, terms=terms if row["kind"] == CONNECTOR else None)
    is_small = count_excluded_up_to is None or (header.connector_count or 0) <= count_excluded_up_to
    return _with_parts(
        connection,
        header,
        is_archived=is_archived,
        chargers=chargers,
        items=items,
        is_excluded_counted=is_small,
    )


def _with_parts(
    connection: psycopg.Connection[Any],
    header: Header,
    *,
    is_archived: bool,
    chargers: int,
    items: int,
    is_excluded_counted: bool,
) -> StatementView:
    is_connector, is_account, is_correction = (header.kind == k for k in (CONNECTOR, ACCOUNT, CORRECTION))
    # The decisions of a period belong to the account's only connector statement of revision 0.
    has_lines = is_connector and header.revision == 0 and not is_archived
    is_compared = has_lines and is_excluded_counted and (header.connector_count or 0) <= _MOST_COMPARED
    payments = _read(connection, Payment, "payments", header) if is_connector else ()
    return StatementView(
        header=header,
        is_archived=is_connector and is_archived,
        chargers=lines.charger_page(connection, header, most=chargers) if has_lines else (),
        charger_count=lines.charger_count(connection, header) if has_lines else 0,
        excluded=lines.excluded_by_rule(connection, header) if has_lines and is_excluded_counted else (),
        is_excluded_counted=has_lines and is_excluded_counted,
        payments=payments,
        attempts=_read(connection, Attempt, "attempts", header) if is_connector else (),
        plan=_plan(connection, header) if is_connector else None,
        corrections=_corrections(connection, header) if is_connector else (),
        listed_on=_listed_on(connection, header, payments) if not is_account else (),
        items=lines.item_page(connection, header, most=items) if is_account else (),
        item_totals=lines.item_totals(connection, header) if is_account else (),
        due_here=_due_here(connection, header) if is_account else Decimal(0),
        written_off=_written_off(connection, header) if is_connector else Decimal(0),
        by_hand=_by_hand(connection, header) if is_correction else None,
        original=_original(connection, header) if header.corrects else None,
        corrected=lines.corrected_page(connection, header, header.statement_id, most=items) if is_correction else (),
        corrected_count=lines.corrected_count(connection, header) if is_correction else 0,
        change=change.account_change(connection, header, is_detailed=is_compared) if is_connector else None,
        sites=change.site_counts(connection, header) if is_compared else (),
        run=_run(connection, header),
        audit=_audit(connection, header),
    )


def read_collections(
    connection: psycopg.Connection[Any], statement_id: str | None = None, *, of: Header | None = None
) -> list[Collection]:
    """How the collection goes now: of the connector statement, or of those of an account statement that are due."""
    return fetch_as(
        connection,
        Collection,
        "read_models/statement/collection",
        statement=statement_id,
        account=of.account_id if of else None,
        account_statement=of.statement_id if of else None,
    )


def _written_off(connection: psycopg.Connection[Any], header: Header) -> Decimal:
    query = "select written_off_amount from finance.statements where statement_id = %s"
    return Decimal(select_row(connection, query, header.statement_id)[0])


def _by_hand(connection: psycopg.Connection[Any], header: Header) -> ByHand | None:
    query = """select kind, recorded_by, requested_by, customer_text from finance.adjustments
               where correction_id = %s and is_carried_out"""
    row = connection.execute(query, (header.statement_id,)).fetchone()
    return None if row is None else ByHand(*row)


def _due_here(connection: psycopg.Connection[Any], header: Header) -> Decimal:
    values = {"account": header.account_id, "statement": header.statement_id, "minor_unit": header.minor_unit}
    (row,) = fetch_dicts(connection, "read_models/statement/due_here", **values)
    return Decimal(row["due_here"])


def _read(connection: psycopg.Connection[Any], kind: type[T], name: str, header: Header) -> tuple[T, ...]:
    """The rows of a query about the statement."""
    return tuple(fetch_as(connection, kind, f"read_models/statement/{name}", statement=header.statement_id))


def _plan(connection: psycopg.Connection[Any], header: Header) -> RetryPlan | None:
    query = "select planned_at, reason_id, detail from finance.payment_plans where statement_id = %s"
    row = connection.execute(query, (header.statement_id,)).fetchone()
    return None if row is None else RetryPlan(*row)


def _corrections(connection: psycopg.Connection[Any], header: Header) -> tuple[Correction, ...]:
    return tuple(
        Correction(**row, lines=lines.corrected_page(connection, header, row["statement_id"], most=_MOST_BESIDE))
        for row in _rows(connection, "corrections", statement=header.statement_id)
    )


def _listed_on(
    connection: psycopg.Connection[Any], header: Header, payments: tuple[Payment, ...]
) -> tuple[StatementRef, ...]:
    kind = "correction" if header.kind == CORRECTION else "connector_statement"
    rows = _rows(
        connection, "listed_on", kind=kind, item=header.statement_id, payments=[p.payment_id for p in payments]
    )
    return tuple(StatementRef(**row) for row in rows)


def _original(connection: psycopg.Connection[Any], header: Header) -> StatementRef:
    query = "select statement_id, statement_date from billing.statement where statement_id = %s"
    return StatementRef(*select_row(connection, query, header.corrects))


def _run(connection: psycopg.Connection[Any], header: Header) -> RunRecord:
    (run,) = fetch_as(connection, RunRecord, "read_models/statement/run", run=header.run_id)
    return run


def _audit(connection: psycopg.Connection[Any], header: Header) -> tuple[AuditEvent, ...]:
    rows = _rows(connection, "audit", statement=header.statement_id, period=header.period, run=header.run_id)
    return tuple(AuditEvent(**row) for row in rows)


def _rows(connection: psycopg.Connection[Any], name: str, **values: object) -> list[dict[str, Any]]:
    return fetch_dicts(connection, f"read_models/statement/{name}", **values)
