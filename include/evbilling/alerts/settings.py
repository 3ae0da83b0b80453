"""Where alerts go, from a connection's extra; and connections from a file, where Airflow isn't asked for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from evbilling.errors import BadInput
from evbilling.mail import Address, SmtpSettings, mail_server, parse_address

_WHERE = "connection alerts, extra"
_URLS = ("webhook_url", "slack_url", "pagerduty_url", "airflow_url", "runbooks_url")
_KNOWN = {*_URLS, "mail_to", "pagerduty_key", "airflow_login", "airflow_password"}


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """The channels of alerts: addresses, webhooks and PagerDuty's key, each of which may be missing.

    `airflow_url` and `runbooks_url` are where the links in a message lead; with a login, `evbilling check` asks Airflow
    there which DAGs are paused.
    """

    mail_to: tuple[Address, ...] = ()
    smtp: SmtpSettings | None = None
    # Whoever has such an address can post there.
    webhook_url: str = field(default="", repr=False)
    slack_url: str = field(default="", repr=False)
    pagerduty_key: str = field(default="", repr=False)
    pagerduty_url: str = "https://events.pagerduty.com/v2/enqueue"
    airflow_url: str = ""
    airflow_login: str = ""
    airflow_password: str = field(default="", repr=False)
    runbooks_url: str = "docs/runbooks"

    @classmethod
    def from_extra(cls, extra: Mapping[str, Any], smtp: SmtpSettings | None) -> AlertSettings:
        """The settings of a connection's extra.

        Raises `BadInput` for a name that isn't known, an address that is none, or mail without a server.
        """
        given = {name: value for name, value in extra.items() if value}
        for name in given.keys() - _KNOWN:
            raise BadInput(f"has {name}, which is no setting", where=_WHERE, fix=f"use {', '.join(sorted(_KNOWN))}")
        for name in _URLS:
            if name in given and name != "runbooks_url" and urlsplit(str(given[name])).scheme not in {"http", "https"}:
                raise BadInput(f"{name} is no web address", where=_WHERE, fix="give one that begins with https://")
        texts = given.pop("mail_to", [])
        mail_to = tuple(_address(text) for text in (texts.split(",") if isinstance(texts, str) else texts))
        if mail_to and not smtp:
            raise BadInput("mail_to is given, and there is no mail server", where=_WHERE, fix="define connection smtp")
        return cls(mail_to=mail_to, smtp=smtp, **{name: str(value) for name, value in given.items()})


def read_connections(path: Path) -> AlertSettings:
    """The settings from a JSON file of Airflow connections by name, with `alerts` and `smtp`.

    Raises `BadInput` if the file can't be read or one of the two makes no sense.
    """
    fix = "give a file as Airflow's LocalFilesystemBackend reads it: docs/alerts.md"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"can't be read: {type(error).__name__}", where=str(path), fix=fix) from None
    if not isinstance(content, dict) or not all(isinstance(value, dict) for value in content.values()):
        raise BadInput("isn't an object with an object for each connection", where=str(path), fix=fix)
    if "alerts" not in content:
        return AlertSettings()
    smtp = content.get("smtp")
    return AlertSettings.from_extra(
        _extra(content["alerts"]),
        mail_server(
            SimpleNamespace(
                conn_id="smtp",
                **{name: smtp.get(name) for name in ("host", "port", "login", "password")},
                extra_dejson=_extra(smtp),
            )
        )
        if smtp
        else None,
    )


def _extra(connection: Mapping[str, Any]) -> dict[str, Any]:
    extra = connection.get("extra") or {}
    return dict(json.loads(extra) if isinstance(extra, str) else extra)


def _address(text: str) -> Address:
    if parsed := parse_address(text.strip()):
        return parsed
    raise BadInput(f"mail_to has {text!r}, no e-mail address", where=_WHERE, fix="give one such as ops@example.org")
