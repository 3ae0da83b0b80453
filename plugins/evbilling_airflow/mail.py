"""Mail as tasks call it: connections and context in, plain facts out."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from evbilling_airflow.alerting import look
from evbilling_airflow.context import account_ids, billing_period
from evbilling_airflow.metrics import count
from evbilling_airflow.reporting import report_event, says_why
from evbilling_airflow.watching import watched

log = logging.getLogger(__name__)

_RETRIES = "payment_retries"


@watched
def deliver_statements(context: Mapping[str, Any], kind: str) -> dict[str, int]:
    """Send the statements of the run's period, of one kind, that wait; returns how many went, and how many wait on.

    A run of some accounts sends theirs alone, and a dry run nothing.
    """
    return {} if context["params"].get("dry_run") else _deliver(context, _statements(context, kind))


@watched
def deliver_month_end(context: Mapping[str, Any]) -> dict[str, int]:
    """Send the account statements of the run's period, and the notices of failed charges of whatever period.

    Returns how many went, and how many wait on.
    """
    statements = _deliver(context, _statements(context, "account_statement"))
    notices = _deliver(context, _notices())
    return {name: count + notices[name] for name, count in statements.items()}


@watched
def deliver_notices(context: Mapping[str, Any]) -> dict[str, int]:
    """Send the notices of failed charges that wait; returns how many went, and wait on. A dry run sends nothing."""
    return {} if context["params"]["dry_run"] else _deliver(context, _notices())


@says_why
@watched
def deliver_all(context: Mapping[str, Any]) -> dict[str, int]:
    """Send all that waits; returns how many went, and how many wait on. A dry run sends nothing."""
    from evbilling.mail import MailSelection

    return {} if context["params"]["dry_run"] else _deliver(context, MailSelection(), reports=True)


def _statements(context: Mapping[str, Any], kind: str) -> Any:
    from evbilling.mail import MailSelection

    return MailSelection((kind,), str(billing_period(context)), account_ids(context))


def _notices() -> Any:
    from evbilling.mail import MailSelection

    return MailSelection(("failed_charge",))


def _deliver(context: Mapping[str, Any], wanted: Any, *, reports: bool = False) -> dict[str, int]:
    from evbilling.mail import deliver
    from evbilling_airflow.connections import services, smtp_settings

    here = services()
    # A worker whose clock is wrong sends nothing.
    here.now()
    if reports:
        report_event(here, context, "mail_delivery", "deliver", "begun")
    delivered = deliver(here, smtp_settings(), wanted, are_retries_sent=_are_retries_sent(context))
    if reports:
        report_event(here, context, "mail_delivery", "deliver", "done")
        # It runs every hour, so the gauges are never older.
        look(here)
    count("mail", delivered)
    return delivered


def _are_retries_sent(context: Mapping[str, Any]) -> bool:
    """True if the DAG that sends retries isn't paused; False if Airflow doesn't say: then no letter promises one."""
    try:
        return not context["ti"].get_dag(_RETRIES).is_paused
    except Exception:
        log.warning(
            "Airflow doesn't say whether %s is paused, so no letter promises another try", _RETRIES, exc_info=True
        )
        return False
