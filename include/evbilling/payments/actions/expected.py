"""What a request must bring: a reason, and the totals that were seen when it was decided. Pure.

The right to start an action approves no amount: a request carries the figures it was decided on, and nothing is done
if they have changed since.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from evbilling.errors import BadInput
from evbilling.money import decimals, minor_unit, parse_decimal
from evbilling.typed_text import require_text

Totals = Mapping[str, Decimal]


def total_by_currency(amounts: Iterable[tuple[Decimal, str]]) -> dict[str, Decimal]:
    """The sums of these amounts, in major units, by currency, in order of the currencies."""
    totals: dict[str, Decimal] = {}
    for amount, currency in amounts:
        totals[currency] = totals.get(currency, Decimal(0)) + amount
    return dict(sorted(totals.items()))


def parse_totals(written: Mapping[str, object] | None, where: str) -> dict[str, Decimal] | None:
    """The totals that a Param or a form gives, such as {"EUR": "19.04"}; None if it gives none.

    Raises `BadInput` for what is no currency or no amount of it.
    """
    if written is None:
        return None
    totals = {}
    for currency, value in written.items():
        unit = minor_unit(currency)
        # JSON numbers come as floats: their shortest text is what was written.
        amount = parse_decimal(str(value))
        if unit is None or amount < 0 or decimals(amount) > unit:
            raise BadInput(
                f"{value} {currency} can't be what is due",
                where=where,
                fix='write expected_total by currency, in major units: {"EUR": "19.04"}',
            )
        # As it is written of that currency, in messages too.
        totals[currency] = amount.quantize(Decimal(1).scaleb(-unit))
    return totals


def totals_text(totals: Totals) -> str:
    """Totals in words: 1,019.04 EUR and 7.00 USD; nothing."""
    return " and ".join(f"{amount:,f} {currency}" for currency, amount in sorted(totals.items()) if amount) or "nothing"


def is_as_expected(expected: Totals | None, due: Totals) -> bool:
    """True if nothing was expected in particular, or exactly this."""
    return expected is None or _nonzero(expected) == _nonzero(due)


def require_as_expected(expected: Totals | None, due: Totals, where: str, rows: Iterable[str] = ()) -> None:
    """Return if what is due is what was expected; raise `BadInput` with both figures, and the rows, otherwise."""
    if is_as_expected(expected, due):
        return
    detail = "".join(f"\n  {row}" for row in rows)
    raise BadInput(
        f"{totals_text(expected or {})} was expected to be due, {totals_text(due)} is due now{detail}",
        where=where,
        fix="nothing was done; look again at what is due, and ask anew",
    )


def require_reason(reason: str, where: str) -> None:
    """Return if a reason is given that may be kept; raise `BadInput` otherwise."""
    require_text("reason", reason, where, missing="say why, in a few words: it is kept in the audit")


def _nonzero(totals: Totals) -> dict[str, Decimal]:
    return {currency: amount for currency, amount in totals.items() if amount}
