"""Sends what is late or failed, once, and its end; the warehouse knows what was sent, for all who look."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from evbilling.alerts.channels import NotSent, Send, channels
from evbilling.alerts.messages import Message, about, about_cause, causes_of
from evbilling.alerts.settings import AlertSettings
from evbilling.service_levels import ServiceLevel
from evbilling.warehouse import connected, select_value

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Notified:
    """A message that was to be sent; `error` says why it wasn't."""

    channel: str
    cause: str
    says: str
    error: str | None = None


def notify_directly(settings: AlertSettings, cause: str, title: str, says: str) -> list[Notified]:
    """Send a message that the warehouse can't keep, as it is what doesn't answer; returns what became of it."""
    message = about_cause(cause, title, says, settings.airflow_url, settings.runbooks_url)
    return [_sent(channel, send, message) for channel, send in channels(settings).items()]


def notify(
    warehouse_url: str,
    settings: AlertSettings,
    levels: Sequence[ServiceLevel],
    *,
    failed_run: tuple[str, str] | None = None,
    ends: bool = False,
) -> list[Notified]:
    """Send by each channel what it wasn't sent yet, or a day ago; returns what was to be sent.

    `failed_run`: (cause, title) of a run that failed and that no service level is about; it is sent once. `ends`: what
    isn't among `levels` any more is in order again, so its end is sent. A channel that doesn't take a message is logged
    and asked again by a later call. Raises `TransientError` if the warehouse doesn't answer.
    """
    wanted = {cause: level for level in levels if level.needs_somebody for cause in causes_of(level)}
    alerts = [{"cause": cause, "title": level.title} for cause, level in wanted.items()]
    with connected(warehouse_url, what="warehouse") as connection:
        select_value(connection, "select billing.note_alerts(%s)", json.dumps(alerts))
        if failed_run:
            select_value(connection, "select billing.note_alert_once(%s, %s)", *failed_run)
        if ends:
            select_value(connection, "select billing.end_alerts(%s)", list(wanted))
    done = []
    for channel, send in channels(settings).items():
        with connected(warehouse_url, what="warehouse") as connection:
            claim = "select alert_id, cause, title, says from billing.claim_alert_messages(%s)"
            claimed = connection.execute(claim, (channel,)).fetchall()
        for alert_id, cause, title, says in claimed:
            links = settings.airflow_url, settings.runbooks_url
            level = wanted.get(cause) if says != "ended" else None
            message = about(level, cause, says, *links) if level else about_cause(cause, title, says, *links)
            done.append(_sent(channel, send, message))
            with connected(warehouse_url, what="warehouse") as connection:
                settle = "select billing.settle_alert_message(%s, %s, %s, %s)"
                select_value(connection, settle, alert_id, channel, says, done[-1].error)
    return done


def _sent(channel: str, send: Send, message: Message) -> Notified:
    try:
        send(message)
    except NotSent as refused:
        log.error("alert %s isn't sent by %s: %s", message.cause, channel, refused)
        return Notified(channel, message.cause, message.says, str(refused))
    return Notified(channel, message.cause, message.says)
