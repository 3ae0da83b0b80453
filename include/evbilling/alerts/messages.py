"""An alert in words and in the shapes of its channels. Pure: no customer's name, no message of a failed run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from evbilling.service_levels import ServiceLevel

# What a message says of a reason: constant words, as the reason of the view may quote a failed run, and names in it.
_WHY = {
    "NO_RUN": "no run began: its DAG is paused, or Airflow doesn't run",
    "DAG_PAUSED": "its DAG is paused in Airflow",
    "AIRFLOW_DOWN": "Airflow's scheduler or API server doesn't run",
    "WAITING_FOR_APPROVAL": "a person has to issue or reject the month; without an answer it is rejected",
    "RUN_FAILED": "a task of its run failed; Airflow's log of the task has the message",
    "RUN_UNDER_WAY": "its run hasn't ended",
    "CHARGING_ON_HOLD": "charging is on hold after a restore of the warehouse",
    "GATEWAY_REFUSES": "the payment gateway refuses our requests",
    "MAIL_REFUSED": "the mail server refuses it for now",
    "NOT_SENT": "runs of mail_delivery end and send nothing: is the connection smtp defined?",
}
_WHAT_TO_DO = {
    "connector_statements": "Nobody is billed for the month until the run ends: find out why, then bill the month.",
    "account_statements": "Customers have no account statement, and failed payments aren't tried at the month's end.",
    "charges": "The statements are issued and nobody collects them: clear the task charge.",
    "payment_retries": "Failed payments aren't tried again, though letters and pages promise it: start the DAG again.",
    "payment_reconciliation": "Nobody compares our payments with the gateway's: run payment_reconciliation.",
    "missed_months": "Missed months aren't billed or forgiven as their policies say: run missed_months.",
    "mail_delivery": "Customers have no mail: look at the mail server, then run mail_delivery.",
    "gateway": "No payment is collected until it is corrected: see the message of the refused attempts.",
    "approval": "Look at the plan on the page of the month, then Issue and charge, or Reject.",
    "airflow": "Nothing is billed, charged or mailed by itself: start the scheduler or the API server.",
    "warehouse": "Nothing is billed, charged or mailed without it: start the database, or correct its address.",
    "failed_run": "Read the message in Airflow's log of the task, correct the cause, and clear the task.",
}
_SEVERE = {"connector_statements", "charges", "gateway", "airflow", "warehouse"}


@dataclass(frozen=True, slots=True)
class Message:
    """One alert as it is sent: `says` is began, lasts or ended; `cause` makes several reports one."""

    says: str
    cause: str
    name: str
    title: str
    why: str
    what_to_do: str
    runbook: str
    run: str
    page: str
    since: datetime | None
    accounts: int | None
    statements: int | None
    money: dict[str, str]

    @property
    def subject(self) -> str:
        """A line; of an end, that it is in order again."""
        return f"[evbilling] {'In order again: ' if self.says == 'ended' else ''}{self.title}"

    @property
    def lines(self) -> list[str]:
        """What, why, for whom, what to do, and where to look."""
        if self.says == "ended":
            return [f"In order again: {self.title}.", *self._links]
        lines = [f"{self.title}."]
        if self.says == "lasts":
            lines.append("It lasts for a day or more; this is said once a day.")
        if self.why:
            lines.append(f"Why: {self.why}.")
        if self.concerned:
            lines.append(f"Concerned: {self.concerned}.")
        return [*lines, f"What to do: {self.what_to_do}", *self._links]

    @property
    def concerned(self) -> str:
        """How many accounts, statements and how much money; "" if it isn't known."""
        counts = [
            f"{number:,} {noun}{'' if number == 1 else 's'}"
            for number, noun in ((self.accounts, "account"), (self.statements, "statement"))
            if number
        ]
        return ", ".join([*counts, *(f"{amount} {code}" for code, amount in self.money.items())])

    @property
    def _links(self) -> list[str]:
        links = {"Run": self.run, "Page": self.page, "Runbook": self.runbook}
        return [f"{name}: {link}" for name, link in links.items() if link]

    def as_json(self) -> dict[str, Any]:
        """The plain shape: every field under its name."""
        return {
            "event": self.says,
            "cause": self.cause,
            "alert": self.name,
            "title": self.title,
            "why": self.why,
            "since": self.since.astimezone(UTC).isoformat() if self.since else None,
            "accounts": self.accounts,
            "statements": self.statements,
            "money": self.money,
            "what_to_do": self.what_to_do,
            "run": self.run,
            "page": self.page,
            "runbook": self.runbook,
        }

    def as_slack(self) -> dict[str, Any]:
        """Slack's incoming webhook; its three control characters are escaped."""
        text = "\n".join([f"*{self.subject}*", *self.lines[1:]])
        return {"text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}

    def as_pagerduty(self, key: str) -> dict[str, Any]:
        """PagerDuty's Events API v2: an event of the same cause is the same incident."""
        event: dict[str, Any] = {
            "routing_key": key,
            "event_action": "resolve" if self.says == "ended" else "trigger",
            "dedup_key": self.cause,
        }
        if self.says != "ended":
            event["payload"] = {
                "summary": self.title[:1024],
                "source": "evbilling",
                "severity": "critical" if self.name in _SEVERE else "error",
                "custom_details": self.as_json(),
            }
            event["links"] = [
                {"href": link, "text": name}
                for name, link in (("Run", self.run), ("Page", self.page), ("Runbook", self.runbook))
                if link.startswith("http")
            ]
        return event


def causes_of(level: ServiceLevel) -> list[str]:
    """One a month of a service level, or a daily one whatever its day; the reminder of an approval is another."""
    is_monthly = level.period and len(level.period) == len("2026-11")
    cause = f"{level.service_level}:{level.period}" if is_monthly else level.service_level
    return [cause, f"{cause}:reminder"] if level.service_level == "approval" and level.state == "late" else [cause]


def about(level: ServiceLevel, cause: str, says: str, airflow_url: str, runbooks_url: str) -> Message:
    """The message about a service level that is late or whose run failed."""
    return Message(
        says=says,
        cause=cause,
        name=level.service_level,
        title=level.title,
        why=_WHY.get(level.reason_id or "", ""),
        what_to_do=_WHAT_TO_DO[level.service_level],
        runbook=f"{runbooks_url.rstrip('/')}/alerts/{level.service_level}.md",
        run=_run(airflow_url, level.dag_id, level.airflow_run_id),
        page=_page(airflow_url),
        since=level.late_since or level.reason_since,
        accounts=level.accounts,
        statements=level.statements,
        money={code: f"{amount:f}" for code, amount in level.money.items()},
    )


def about_cause(cause: str, title: str, says: str, airflow_url: str, runbooks_url: str) -> Message:
    """The message about a run that failed (`failed_run:dag:run`), or about a cause that is no longer known of."""
    name, _, rest = cause.partition(":")
    dag_id, _, run_id = rest.partition(":") if name == "failed_run" else ("", "", "")
    return Message(
        says=says,
        cause=cause,
        name=name,
        title=title,
        why="",
        what_to_do=_WHAT_TO_DO[name],
        runbook=f"{runbooks_url.rstrip('/')}/alerts/{name}.md",
        run=_run(airflow_url, dag_id, run_id),
        page=_page(airflow_url),
        since=None,
        accounts=None,
        statements=None,
        money={},
    )


def _run(airflow_url: str, dag_id: str, run_id: str | None) -> str:
    if not airflow_url or not run_id:
        return ""
    return f"{airflow_url.rstrip('/')}/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"


def _page(airflow_url: str) -> str:
    return f"{airflow_url.rstrip('/')}/evbilling/service-levels" if airflow_url else ""
