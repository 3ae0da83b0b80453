"""Retries, reconciliation and the operators' actions as tasks call them: context in, plain facts out."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from evbilling.errors import BadInput
from evbilling_airflow.context import actor, billing_period
from evbilling_airflow.refusal import reports

if TYPE_CHECKING:
    from evbilling.payments.actions.results import ActionResult
    from evbilling.payments.retries.runs import Retry

log = logging.getLogger(__name__)


def plan_month_end(context: Mapping[str, Any]) -> list[str]:
    """Open an attempt at whatever failed and may still succeed; returns the batches to be sent."""
    from evbilling.payments.retries.runs import month_end_retries, open_retries
    from evbilling_airflow.connections import desk

    period = billing_period(context)
    with desk() as open_desk:
        retries = month_end_retries(open_desk, period, datetime.now(UTC))
        return open_retries(open_desk, retries, "month_end", _month_end(context), actor(context))


def plan_due(context: Mapping[str, Any]) -> list[str]:
    """Plan anew, and open the attempts that are due; returns the batches to be sent. A dry run only says them."""
    from evbilling.payments.retries.runs import due_retries, open_retries
    from evbilling_airflow.connections import desk

    with desk() as open_desk:
        retries = due_retries(open_desk, datetime.now(UTC))
        if context["params"]["dry_run"]:
            _say_all(retries)
            return ["dry run"]
        return open_retries(open_desk, retries, "planned", _planned(context), actor(context))


def send(batch: str) -> dict[str, Any]:
    """Make a batch's calls; returns how many were collected, declined by class, unknown."""
    from evbilling_airflow.connections import desk

    with desk() as open_desk:
        return {"batch": batch, **open_desk.collect(batch).as_dict()}


def close_month_end(context: Mapping[str, Any]) -> dict[str, Any]:
    """Plan the next retries, ask the gateway for what it has, keep the money checks of the period."""
    return _close(_month_end(context), [str(billing_period(context))])


def close_due(context: Mapping[str, Any]) -> dict[str, Any]:
    """Plan the next retries and keep the money checks of the periods concerned."""
    return {} if context["params"]["dry_run"] else _close(_planned(context), [])


def _close(occasion: str, periods: Sequence[str]) -> dict[str, Any]:
    from evbilling.payments.reconciliation import periods_with_payments, settle_unknown, tie_out_payments
    from evbilling.payments.retries.runs import close_retries
    from evbilling_airflow.connections import desk

    now = datetime.now(UTC)
    with desk() as open_desk:
        outcomes = close_retries(open_desk, occasion, now)
        since = now - timedelta(days=35)
        settled = settle_unknown(open_desk, since, now)
        not_ok = tie_out_payments(open_desk, {*periods, *periods_with_payments(open_desk, since)})
    return {"outcomes": outcomes, "asked": settled, "not_ok": not_ok}


def ask_gateway(context: Mapping[str, Any]) -> dict[str, int]:
    """Find out what became of charges without an outcome; returns how many turned out how."""
    from evbilling.payments.reconciliation import settle_unknown
    from evbilling_airflow.connections import desk

    params, now = context["params"], datetime.now(UTC)
    with desk() as open_desk:
        return settle_unknown(
            open_desk,
            now - timedelta(days=params["days"]),
            now,
            min_age=timedelta(minutes=params["min_age_minutes"]),
        )


def compare(context: Mapping[str, Any]) -> dict[str, Any]:
    """Compare gateway and warehouse both ways; fails, after keeping them, if there are breaks."""
    from evbilling.payments.reconciliation import compare, periods_with_payments, require_no_breaks, tie_out_payments
    from evbilling_airflow.connections import desk

    since = datetime.now(UTC) - timedelta(days=context["params"]["days"])
    with desk() as open_desk:
        breaks = compare(open_desk, since)
        not_ok = tie_out_payments(open_desk, periods_with_payments(open_desk, since))
    require_no_breaks(breaks)
    return {"breaks": 0, "not_ok": not_ok}


@reports
def rebill(context: Mapping[str, Any]) -> list[ActionResult]:
    """Charge statements again, or say what would be charged; returns a row for each statement."""
    from evbilling.payments.actions.expected import parse_totals
    from evbilling.payments.actions.rebill import RebillRequest, preview_rebill, rebill
    from evbilling.period import Period
    from evbilling_airflow.connections import desk

    params = context["params"]
    request = RebillRequest(
        request_id=context["dag_run"].run_id,
        actor=actor(context),
        reason=params["reason"],
        statement_ids=tuple(params["statement_ids"] or ()),
        account_id=params["account_id"] or None,
        period=Period.parse(params["period"]) if params["period"] else None,
        expected_total=parse_totals(params["expected_total"], "rebill"),
    )
    with desk() as open_desk:
        now = datetime.now(UTC)
        return preview_rebill(open_desk, request, now) if params["dry_run"] else rebill(open_desk, request, now)


@reports
def mark_as_paid(context: Mapping[str, Any]) -> list[ActionResult]:
    """Record payments made by other means, or say what would be recorded; returns a row for each statement."""
    from evbilling.payments.actions.expected import parse_totals
    from evbilling.payments.actions.mark_as_paid import MarkRequest, mark_statements, preview_mark_statements
    from evbilling.payments.actions.paid_outside import latest_today
    from evbilling_airflow.connections import services

    params = context["params"]
    request = MarkRequest(
        request_id=context["dag_run"].run_id,
        actor=actor(context),
        reason=params["reason"],
        statement_ids=_one_or_several(params),
        paid_on=_day(params["paid_on"]),
        reference=params["reference"],
        amount=_amount(params["amount"]),
        currency=params["currency"] or None,
        expected_total=parse_totals(params["expected_total"], "mark_as_paid"),
    )
    act = preview_mark_statements if params["dry_run"] else mark_statements
    return act(services(with_platform=False), request, latest_today(datetime.now(UTC)))


@reports
def undo_mark_as_paid(context: Mapping[str, Any]) -> list[ActionResult]:
    """Take back a payment marked by mistake, or say what would be taken back; returns its row."""
    from evbilling.payments.actions.undo_mark_as_paid import UndoRequest, preview_undo_mark_as_paid, undo_mark_as_paid
    from evbilling_airflow.connections import services

    params = context["params"]
    request = UndoRequest(
        request_id=context["dag_run"].run_id,
        actor=actor(context),
        reason=params["reason"],
        statement_id=params["statement_id"],
        payment_id=params["payment_id"] or "",
    )
    warehouse = services(with_platform=False)
    if params["dry_run"]:
        return preview_undo_mark_as_paid(warehouse, request)
    return [undo_mark_as_paid(warehouse, request)]


def _month_end(context: Mapping[str, Any]) -> str:
    return f"month_end {billing_period(context)}"


def _planned(context: Mapping[str, Any]) -> str:
    # Of this very run: cleared and run again it is the same occasion, the next day's run is another.
    return f"planned {context['dag_run'].run_id}"


def _say_all(retries: Sequence[Retry]) -> None:
    log.info("dry run: %s failed statements, %s would be tried now", len(retries), sum(r.is_tried for r in retries))
    for retry in retries:
        log.info("  %s", retry.sentence())


def _one_or_several(params: Mapping[str, Any]) -> tuple[str, ...]:
    if bool(params["statement_id"]) == bool(params["statement_ids"]):
        raise BadInput(
            "name a statement or several",
            where="mark_as_paid",
            fix="give statement_id or statement_ids, not both",
        )
    return tuple(params["statement_ids"] or (params["statement_id"],))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{text!r} is not a day", where="paid_on", fix="write it as YYYY-MM-DD") from None


def _amount(value: object) -> Decimal | None:
    from evbilling.money import parse_decimal

    # JSON numbers come as floats: their shortest text is what was written.
    return None if value is None or value == "" else parse_decimal(str(value))
