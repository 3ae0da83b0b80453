"""Mail as tasks call it: connections and context in, plain facts out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from evbilling_airflow.context import actor, billing_period
from evbilling_airflow.refusal import reports, says_why

if TYPE_CHECKING:
    from evbilling.payments.actions.results import ActionResult


def deliver_statements(context: Mapping[str, Any], kind: str) -> dict[str, int]:
    """Send the statements of the run's period, of one kind, that wait; returns how many went, and how many wait on."""
    from evbilling.mail.outbox import Wanted

    return _deliver(Wanted((kind,), str(billing_period(context))))


def deliver_month_end(context: Mapping[str, Any]) -> dict[str, int]:
    """Send the account statements of the run's period, and the notices of failed charges of whatever period.

    Returns how many went, and how many wait on.
    """
    statements = deliver_statements(context, "account_statement")
    notices = _deliver(_notices())
    return {name: count + notices[name] for name, count in statements.items()}


def deliver_notices(context: Mapping[str, Any]) -> dict[str, int]:
    """Send the notices of failed charges that wait; returns how many went, and wait on. A dry run sends nothing."""
    return {} if context["params"]["dry_run"] else _deliver(_notices())


@says_why
def deliver_all(context: Mapping[str, Any]) -> dict[str, int]:
    """Send all that waits; returns how many went, and how many wait on. A dry run sends nothing."""
    from evbilling.mail.outbox import Wanted

    return {} if context["params"]["dry_run"] else _deliver(Wanted())


@reports
def request(context: Mapping[str, Any]) -> list[ActionResult]:
    """Put what the Params ask for into the outbox, or say what would be; returns a row for each message.

    Without statements or a period nothing is asked for: the run sends what waits anyway.
    """
    from evbilling.errors import BadInput
    from evbilling.mail.requests import SendRequest, preview_send, request_send
    from evbilling.period import Period
    from evbilling_airflow.connections import services

    params = context["params"]
    if not params["statement_ids"] and not params["period"]:
        if params["kind"]:
            raise BadInput("a kind is given, but no statements and no period", where="this DAG run", fix="give one")
        return []
    asked = SendRequest(
        request_id=context["dag_run"].run_id,
        actor=actor(context),
        reason=params["reason"] or "",
        statement_ids=tuple(params["statement_ids"] or ()),
        period=Period.parse(params["period"]) if params["period"] else None,
        kind=params["kind"] or None,
        states=tuple(params["states"]),
    )
    return (preview_send if params["dry_run"] else request_send)(services(), asked)


def _notices() -> Any:
    from evbilling.mail.outbox import Wanted

    return Wanted(("failed_charge",))


def _deliver(wanted: Any) -> dict[str, int]:
    from evbilling.mail.delivery import deliver
    from evbilling_airflow.connections import services, smtp_settings

    return deliver(services(), smtp_settings(), wanted)
