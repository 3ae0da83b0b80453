"""Retries, reconciliation and the operators' actions as tasks call them: context in, plain facts out."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from evbilling_airflow.context import actor, billing_period
from evbilling_airflow.metrics import count
from evbilling_airflow.reporting import report_event
from evbilling_airflow.watching import watched

if TYPE_CHECKING:
    from evbilling.payments import Retry

log = logging.getLogger(__name__)


@watched
def plan_month_end(context: Mapping[str, Any]) -> list[str]:
    """Open an attempt at whatever failed and may still succeed; returns the batches to be sent."""
    from evbilling.payments import month_end_retries, open_retries
    from evbilling_airflow.connections import payment_services

    period = billing_period(context)
    with payment_services() as services:
        retries = month_end_retries(services, period, services.now())
        return open_retries(services, retries, "month_end", _month_end(context), actor(context))


@watched
def plan_due(context: Mapping[str, Any]) -> list[str]:
    """Plan anew, and open the attempts that are due; returns the batches to be sent. A dry run only says them."""
    from evbilling.payments import due_retries, open_hold, open_retries
    from evbilling_airflow.connections import payment_services

    with payment_services() as services:
        if not (is_dry_run := context["params"]["dry_run"]):
            report_event(services, context, "payment_retries", "plan_retries", "begun")
        retries = due_retries(services, services.now())
        if is_dry_run:
            with services.warehouse() as connection:
                if why := open_hold(connection):
                    log.warning("charging is on hold, so nothing would be tried now: %s", why)
            _say_all(retries)
            return ["dry run"]
        return open_retries(services, retries, "planned", _planned(context), actor(context))


@watched
def send(batch: str) -> dict[str, Any]:
    """Make a batch's calls; returns how many were collected, declined by class, unknown."""
    from evbilling_airflow.connections import payment_services

    with payment_services() as services:
        # A worker whose clock is wrong sends nothing.
        services.now()
        collected = services.collect(batch).as_dict()
    count("charges", collected)
    return {"batch": batch, **collected}


@watched
def close_month_end(context: Mapping[str, Any]) -> dict[str, Any]:
    """Plan the next retries, ask the gateway for what it has, keep the money checks of the period.

    Fails, after recording all of it, if the money isn't in order then.
    """
    closed = _close(_month_end(context), [str(billing_period(context))])
    check(closed)
    return closed


@watched
def close_due(context: Mapping[str, Any]) -> dict[str, Any]:
    """Plan the next retries and keep the money checks of the periods concerned."""
    if context["params"]["dry_run"]:
        return {}
    return _close(_planned(context), [], reports_for=context)


def check(closed: Mapping[str, Any]) -> None:
    """Fail if the money isn't in order after the retries that were closed: checks, breaks, refusals of our requests."""
    from evbilling.payments import require_in_order
    from evbilling_airflow.connections import preview_services

    if closed:
        require_in_order(preview_services(), closed["periods"], closed["not_ok"], occasion=closed["occasion"])


def _close(occasion: str, periods: Sequence[str], *, reports_for: Mapping[str, Any] | None = None) -> dict[str, Any]:
    from evbilling.payments import close_retries, periods_with_payments, settle_unknown, tie_out_payments
    from evbilling_airflow.connections import payment_services

    with payment_services() as services:
        now = services.now()
        outcomes = close_retries(services, occasion, now)
        since = now - timedelta(days=35)
        settled = settle_unknown(services, since, now)
        concerned = sorted({*periods, *periods_with_payments(services, since)})
        not_ok = tie_out_payments(services, concerned)
        if reports_for:
            report_event(services, reports_for, "payment_retries", "record", "done")
    return {
        "occasion": occasion,
        "periods": concerned,
        "outcomes": outcomes,
        "asked": settled,
        "not_ok": not_ok,
    }


@watched
def ask_gateway(context: Mapping[str, Any]) -> dict[str, int]:
    """Find out what became of charges without an outcome; returns how many turned out how."""
    from evbilling.payments import settle_unknown
    from evbilling_airflow.connections import payment_services

    params = context["params"]
    with payment_services() as services:
        now = services.now()
        report_event(services, context, "payment_reconciliation", "ask_gateway", "begun")
        return settle_unknown(
            services,
            now - timedelta(days=params["days"]),
            now,
            min_age=timedelta(minutes=params["min_age_minutes"]),
        )


@watched
def compare(context: Mapping[str, Any]) -> dict[str, Any]:
    """Compare gateway and warehouse both ways; fails, after keeping them, if there are breaks or failing checks."""
    from evbilling.payments import (
        compare,
        periods_with_payments,
        require_in_order,
        require_no_breaks,
        tie_out_payments,
    )
    from evbilling_airflow.connections import payment_services

    with payment_services() as services:
        since = services.now() - timedelta(days=context["params"]["days"])
        breaks = compare(services, since)
        not_ok = tie_out_payments(services, periods_with_payments(services, since))
        # It took place; what it found fails the task.
        report_event(services, context, "payment_reconciliation", "compare", "done")
        require_no_breaks(breaks)
        require_in_order(services, [], not_ok)
    return {"breaks": 0, "not_ok": not_ok}


def _month_end(context: Mapping[str, Any]) -> str:
    return f"month_end {billing_period(context)}"


def _planned(context: Mapping[str, Any]) -> str:
    # Of this very run: cleared and run again it is the same occasion, the next day's run is another.
    return f"planned {context['dag_run'].run_id}"


def _say_all(retries: Sequence[Retry]) -> None:
    log.info("dry run: %s failed statements, %s would be tried now", len(retries), sum(r.is_tried for r in retries))
    for retry in retries:
        log.info("  %s", retry.sentence())
