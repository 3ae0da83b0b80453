"""`evbilling explain`: why one connector was billed in a month, or wasn't."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evbilling.read_models.explain import Decided, Explanation

    Subcommands = argparse._SubParsersAction[argparse.ArgumentParser]


def register(subcommands: Subcommands) -> None:
    """Add `explain`."""
    text = "say why one connector was billed in a month, or wasn't: rule, setting, statement, evidence"
    explain = subcommands.add_parser("explain", help=text, description=f"{text[0].upper()}{text[1:]}.")
    explain.add_argument("connector", metavar="CHARGER/CONNECTOR", help="such as FR-000007-00001/2")
    explain.add_argument("--period", metavar="PERIOD", required=True, help="billing month, YYYY-MM")
    explain.add_argument("--url", help="libpq URL of the warehouse (default: WAREHOUSE_URL, or the local stack's)")
    explain.set_defaults(run=run_explain)


def run_explain(args: argparse.Namespace) -> int:
    """Print the explanation; returns 1 if the month has no decision on the connector."""
    from evbilling.cli.environment import resolve_url
    from evbilling.errors import BadInput
    from evbilling.period import Period
    from evbilling.read_models.explain import explain_connector
    from evbilling.warehouse import connected

    charger, slash, number = args.connector.rpartition("/")
    if not slash or not charger or not (number.isascii() and number.isdigit() and int(number) < 2**31):
        raise BadInput(
            f"{args.connector!r} names no connector",
            where="CHARGER/CONNECTOR",
            fix="give the charger's id, a slash and the connector's number",
        )
    period = Period.parse(args.period)
    with connected(args.url or resolve_url("warehouse"), what="warehouse") as connection:
        explanation = explain_connector(connection, charger, int(number), period)
    for line in _lines(explanation):
        print(line)
    return 1 if explanation.absent else 0


def _lines(explanation: Explanation) -> list[str]:
    lines = [f"Connector {explanation.connector_id} of {explanation.charger_id} in {explanation.period}"]
    if explanation.absent:
        lines.append(explanation.absent)
    for one in explanation.decided:
        lines += [one.says, *(f"  {name + ':':<13}{text}" for name, text in _facts(explanation, one) if text)]
    lines += [f"{one.period}: {one.says}" for one in explanation.elsewhere[:12]]
    return lines


def _facts(explanation: Explanation, one: Decided) -> list[tuple[str, str | None]]:
    evidence = explanation.evidence.get(one.account_id)
    files = [(evidence.inventory_uri, evidence.inventory_sha256)] if evidence else []
    if evidence and evidence.names_uri:
        files.append((evidence.names_uri, evidence.names_sha256 or ""))
    return [
        ("charger", " · ".join(text for text in (one.name, one.site, one.scope_status) if text)),
        ("connector", " · ".join(text for text in (one.power_type, one.standard) if text)),
        ("rule", one.rule_id),
        ("price", f"{one.price} {one.currency}" if one.is_billed and one.currency else None),
        ("statement", one.statement_id if one.is_billed else None),
        ("corrections", ", ".join(one.corrections or ())),
        (
            "setting",
            one.set_by and f"excludes {one.excludes}; from {one.effective_from}, by {one.set_by}, {one.set_at}",
        ),
        *(("evidence", f"{uri} sha256 {sha256}") for uri, sha256 in files),
    ]
