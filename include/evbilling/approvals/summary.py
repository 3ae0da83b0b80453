"""A plan in a few lines of Markdown, for the question that Airflow puts to a person."""

from __future__ import annotations

from typing import Any

import psycopg

from evbilling.approvals.decisions import Asked, CanaryStatement, Scope, canary_of
from evbilling.money import from_minor
from evbilling.warehouse import fetch_dicts

_CAUSES_SHOWN = 12
_CANARY_SHOWN = 20


def question_about(connection: psycopg.Connection[Any], asked: Asked) -> tuple[str, str]:
    """(subject, body) of the question: why a person is asked, and the plan's money and change by cause."""
    plan = fetch_dicts(connection, "approvals/summary", plan_id=asked.plan_id, scope=asked.scope)[0]
    canary = canary_of(connection, asked.plan_id)
    units = {currency: unit for currency, unit, *_ in plan["money"]}
    amounts = [f"{currency} {from_minor(now, unit):,}" for currency, unit, _, now, _ in plan["money"] if now]
    what = "the rest, " if asked.scope == Scope.REST else ""
    subject = f"{plan['period']} waits for approval: {what}{plan['statements']:,} statements, {', '.join(amounts)}"
    if asked.scope == Scope.CANARY:
        subject += f"; its canary first, {len(canary):,} of them"
    lines = ["**Why you are asked**", "", *map("- {} (`{}`)".format, asked.reasons, asked.reason_ids), ""]
    counts = f"{plan['statements']:,} statements for {plan['connectors']:,} connectors"
    lines += [f"{counts}; {plan['on_hold']:,} accounts on hold."]
    lines += _about(canary, Scope(asked.scope))
    if plan["compared_with"]:
        lines += ["", f"| | {plan['compared_with']} | {plan['period']} | change | expected on hold |"]
        lines += ["| --- | ---: | ---: | ---: | ---: |"]
        for currency, unit, before, now, expected in plan["money"]:
            row = (before, now, now - before, expected or 0)
            lines.append(f"| {currency} | " + " | ".join(f"{from_minor(minor, unit):,}" for minor in row) + " |")
        lines += ["", "| cause | | connectors | money |", "| --- | --- | ---: | ---: |"]
        for cause, currency, connectors, minor in plan["causes"][:_CAUSES_SHOWN]:
            lines.append(f"| {cause} | {currency} | {connectors:+,} | {from_minor(minor, units.get(currency, 2)):+,} |")
    else:
        lines += ["", f"Not compared with an earlier month: {plan['not_compared']}."]
    until = f"{asked.due_at:%Y-%m-%d %H:%M} UTC"
    lines += ["", f"Without an answer until {until} it is rejected. Plan `{asked.plan_hash}`."]
    return subject, "\n".join(lines)


def _about(canary: list[CanaryStatement], scope: Scope) -> list[str]:
    if not canary:
        return []
    says = (
        "**The canary is issued.** The rest is issued if you approve it; if you reject it, these stay issued."
        if scope is Scope.REST
        else "**The canary** is issued, charged and mailed if you approve; you are asked again about the rest."
    )
    lines = ["", says, "", "| account | statement | total | status | mail |", "| --- | --- | ---: | --- | --- |"]
    lines += [
        f"| {one.account_id} | {one.statement_id or '-'} | {one.currency} {one.total:,} | {one.status or '-'} |"
        f" {one.mail or '-'} |"
        for one in canary[:_CANARY_SHOWN]
    ]
    return lines + ([f"| … {len(canary) - _CANARY_SHOWN:,} more | | | | |"] if len(canary) > _CANARY_SHOWN else [])
