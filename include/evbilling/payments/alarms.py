"""Fails a task, once all is recorded, if the money isn't in order: checks, breaks, our requests that were refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evbilling.errors import Mismatch
from evbilling.payments.gateway.refusals import how_to_fix
from evbilling.payments.services import PaymentServices
from evbilling.warehouse import fetch_all

_NAMED = 20


def require_in_order(
    services: PaymentServices, periods: Sequence[str], not_ok: Mapping[str, Sequence[str]], *, occasion: str = ""
) -> None:
    """Return if no check failed, no break is open in these periods, and nothing tried on the occasion was refused.

    `not_ok` are the ids of failed checks by period, as `tie_out_payments` returns them. Raises `Mismatch` that names
    what isn't in order, with what to do: the figures of each check, the sentence of each break.
    """
    with services.warehouse() as connection:
        refused = fetch_all(connection, "payments/not_accepted", occasion=occasion)
        breaks = fetch_all(connection, "payments/open_breaks", periods=list(periods))
        checks = [
            row
            for period, ids in sorted(not_ok.items())
            for row in fetch_all(connection, "payments/failed_checks", period=period, checks=list(ids))
        ]
    lines = [
        *(
            f"{statement}: refused by the gateway ({code}): {message}; {how_to_fix(code)}"
            for statement, code, message in refused
        ),
        *(sentence for (sentence,) in breaks),
        *(
            f"tie-out {check_id} of {period}: {left} {left_value}, but {right} {right_value}"
            for period, check_id, left, left_value, right, right_value in checks
        ),
    ]
    if not lines:
        return
    more = f"\n  ... and {len(lines) - _NAMED} more" if len(lines) > _NAMED else ""
    raise Mismatch(
        f"everything is recorded, and {len(lines)} things aren't in order:\n  " + "\n  ".join(lines[:_NAMED]) + more,
        where="payments",
        fix="see the runbook docs/runbooks/payments.md; breaks are in finance.payment_breaks, checks in "
        "finance.tie_out, refused attempts in finance.payment_attempts",
    )
