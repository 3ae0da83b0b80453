"""Billing settings on a terminal: a table for people, tab-separated lines for a pipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from decimal import Decimal

from evbilling.settings.terms import RecordedTerms

_HEADINGS = (
    "Account",
    "From",
    "Charge connectors",
    "Financial admin",
    "Fee",
    "DC fee",
    "Exclude closed",
    "Exclude private",
    "Tax rate",
    "Recorded by",
    "Recorded at (UTC)",
)


def show_settings(recorded: Sequence[RecordedTerms]) -> None:
    """Print one row a setting, in the order given."""
    rows = [_row(setting) for setting in recorded]
    if not sys.stdout.isatty():
        for row in (_HEADINGS, *rows):
            print("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*_HEADINGS)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def _row(setting: RecordedTerms) -> tuple[str, ...]:
    terms = setting.terms
    return (
        terms.account_id,
        str(terms.effective_from),
        _yes(terms.charge_connectors),
        terms.financial_admin_id or "none",
        f"{terms.fee_per_connector:f}",
        _fee(terms.fee_per_dc_connector),
        _yes(terms.exclude_closed),
        _yes(terms.exclude_private),
        f"{terms.tax_rate:f}",
        setting.actor,
        f"{setting.recorded_at:%Y-%m-%d %H:%M:%S}",
    )


def _yes(flag: bool) -> str:
    return "yes" if flag else "no"


def _fee(fee: Decimal | None) -> str:
    return "same" if fee is None else f"{fee:f}"
