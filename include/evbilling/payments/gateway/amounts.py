"""ISO 4217 minor units and the units the gateway counts in, which differ for a few currencies. Pure."""

from __future__ import annotations

from evbilling.errors import BadInput
from evbilling.money import minor_unit

# Stripe counts these in hundredths although ISO 4217 gives them no decimals.
_IN_HUNDREDTHS = frozenset({"ISK", "UGX"})

# Stripe counts these whole although ISO 4217 gives them two decimals.
_WHOLE = frozenset({"MGA"})


def to_gateway(minor: int, currency: str) -> int:
    """`minor` ISO minor units in the gateway's units; raises `BadInput` if the gateway can't charge exactly that."""
    step = chargeable_step(currency)
    if minor % step:
        raise BadInput(
            f"{minor} minor units of {currency} can't be charged: the gateway takes multiples of {step} only",
            fix=f"charge a multiple of {step} minor units",
        )
    if currency in _IN_HUNDREDTHS:
        return minor * 100
    return minor // 100 if currency in _WHOLE else minor


def from_gateway(units: int, currency: str) -> int:
    """The gateway's units in ISO minor units; raises `BadInput` if that isn't a whole number of them."""
    _known(currency)
    if currency not in _IN_HUNDREDTHS:
        return units * 100 if currency in _WHOLE else units
    if units % 100:
        raise BadInput(
            f"the gateway's {units} hundredths of {currency} aren't whole minor units: {currency} has no decimals",
            fix="look the payment up at the gateway",
        )
    return units // 100


def chargeable_step(currency: str) -> int:
    """The smallest difference between two chargeable amounts, in ISO minor units; `BadInput` for no currency in use."""
    if currency in _WHOLE:
        return 100
    return 10 if _known(currency) == 3 else 1  # of three decimals, card networks carry two


def _known(currency: str) -> int:
    decimals = minor_unit(currency)
    if decimals is None:
        raise BadInput(f"{currency!r} isn't a currency in use", fix="give an ISO 4217 code in capitals, such as EUR")
    return decimals
