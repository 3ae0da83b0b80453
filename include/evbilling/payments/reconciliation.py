"""Compares the gateway with our record, both ways, and settles charges with an unknown outcome.

Only asking settles an unknown outcome. A difference in money is listed as a break for a person to look at; nothing here
posts an entry for it.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import chain, islice, starmap
from typing import Any

import psycopg

from evbilling.errors import BadInput, Mismatch
from evbilling.money import from_minor, minor_unit
from evbilling.payments import attempts
from evbilling.payments.gateway.interface import ChargeResult, GatewayPayment, Outcome, RefundResult
from evbilling.payments.hold import CLOCK_SLACK, attempt_number, note, statement_of
from evbilling.payments.refunds import AskedRefund, book_late_refund, record_refund
from evbilling.payments.retries.declines import NOT_CHARGED
from evbilling.payments.services import PaymentServices
from evbilling.warehouse import execute, execute_many, fetch_all, fetch_one
from evbilling.warehouse.runs import record_tie_out

log = logging.getLogger(__name__)

# A charge that isn't listed may still be on its way; it counts as not made only after this.
MIN_AGE = timedelta(hours=1)
_KEPT_AT_ONCE = 1_000
_RECORDED_AT_ONCE = 200
_BREAKS_NAMED = 20

WHAT_TO_DO = {
    "charged_not_recorded": "the gateway has charged it and we have no such payment; refund it at the gateway, or mark "
    "the statement as paid with the payment's id as reference",
    "recorded_not_charged": "we have it as paid and the gateway hasn't charged it; ask the gateway what became of it",
    "amount_differs": "the gateway's amount isn't what was asked for; refund what is too much, and of an attempt "
    "without an outcome all of it: the statement can be charged again then",
    "duplicate": "the gateway has charged one attempt twice; refund this one at the gateway",
    "refunded": "it was refunded at the gateway, and we have it as paid; book it by acknowledge_refund, or by "
    "undo_mark_as_paid what was marked as paid",
    "dispute_opened": "the cardholder disputes it, and the gateway holds the money back; answer in the gateway's "
    "dashboard before the deadline given there",
    "dispute_won": "the dispute ended in our favour and the money is ours; there is nothing to do",
    "dispute_lost": "the dispute is lost and the money gone, and we have it as paid; book it by acknowledge_refund, or "
    "by undo_mark_as_paid what was marked as paid",
}

# Worth telling once, and closed by itself.
_CLOSED = frozenset({"dispute_won"})


@dataclass(frozen=True, slots=True)
class Break:
    """A difference between the gateway and our record. Amounts are in minor units.

    `booked_on`: other statements that have the payment's id as the reference of a payment.
    """

    kind: str
    gateway_payment_id: str
    attempt_id: int | None
    statement_id: str | None
    currency: str
    recorded_minor: int
    gateway_minor: int
    booked_on: str | None = None

    def sentence(self) -> str:
        """The break in one line, with what to do."""
        unit = minor_unit(self.currency) or 0
        ours, theirs = from_minor(self.recorded_minor, unit), from_minor(self.gateway_minor, unit)
        of = f" for {self.statement_id}" if self.statement_id else ""
        what_to_do = WHAT_TO_DO[self.kind]
        if self.booked_on:
            # What is left then is named by the next comparison.
            what_to_do = f"its id is the reference of a payment of {self.booked_on}: undo Mark as Paid there" + (
                ", and mark this statement as paid with it" if self.kind == "charged_not_recorded" else ""
            )
        return (
            f"{self.kind}: {self.gateway_payment_id}{of}: {ours} {self.currency} recorded, {theirs} {self.currency} at "
            f"the gateway; {what_to_do}"
        )


def copy_payments(services: PaymentServices, since: datetime, *, with_returned: bool = False) -> int:
    """Copy the gateway's list of payments that this warehouse asked for, made since then; returns how many.

    `with_returned`: also those made before that were refunded or disputed since then. A payment made since then that
    isn't on the list any more is marked as gone. If one shows that the warehouse was restored from a backup, charging
    is on hold from then on.
    """
    count, is_on_hold = 0, False
    services.base.progress.begin("payments read at the gateway")
    with services.warehouse() as connection:
        installation, begun_at = connection.execute(
            "select installation_id::text, clock_timestamp() from billing.installation"
        ).fetchone()  # type: ignore[misc]
        # No transaction stays open while the gateway is asked.
        connection.commit()
        listed = services.gateway.list_payments(since)
        if with_returned:
            listed = chain(listed, services.gateway.list_returned(since))
        ours = (payment for payment in listed if payment.metadata.get("evbilling_installation") == installation)
        while part := list(islice(ours, _KEPT_AT_ONCE)):
            _keep(connection, part, begun_at)
            is_on_hold = note(connection, part)
            connection.commit()
            count += len(part)
            services.base.progress.advance(len(part))
        connection.execute(
            """update billing.gateway_payment set gone_at = clock_timestamp()
               where created_at >= %s and seen_at < %s and gone_at is null""",
            (since, begun_at),
        )
    if is_on_hold:
        log.warning("charging is on hold, see finance.charging_holds; a full comparison lifts the hold")
    return count


def settle_unknown(
    services: PaymentServices, since: datetime, now: datetime, *, min_age: timedelta | None = None
) -> dict[str, int]:
    """Ask the gateway, settle every attempt whose outcome isn't known, keep the breaks; returns {outcome: count}.

    Looks at payments since `since`, or since the oldest of those attempts was sent. `still_unknown` counts those that
    the gateway doesn't list and that were claimed less than `min_age` before it was asked, or again since; and those
    that it is still working on. Raises `BadInput` for a `min_age` within which a charge may still be on its way.
    """
    age = _checked_age(services, min_age)
    _settle_refunds(services, age)
    with services.warehouse() as connection:
        row = connection.execute(
            """select min(coalesce(sent_at, requested_at)), clock_timestamp() from billing.payment_attempt
               where outcome in ('pending', 'unknown')"""
        ).fetchone()
    oldest, listed_at = row or (None, now)
    copied = copy_payments(services, min(since, oldest or since) - CLOCK_SLACK)
    with services.warehouse() as connection:
        found = fetch_all(connection, "payments/unsettled", listed_at=listed_at, min_age=age.total_seconds())
        answers = [(row[0], answer) for row in found if (answer := _answer(*row[2:-1])) is not None]
        # A payment that is there is a fact. All else is a conclusion, and holds only while nobody has claimed the
        # attempt again: its sender's answer counts then.
        declined = {attempt_id for attempt_id, answer in answers if answer.outcome is Outcome.DECLINED}
        claims = {attempt_id: claim for attempt_id, *_, claim in found if attempt_id in declined}
        changed = [
            row
            for start in range(0, len(answers), _RECORDED_AT_ONCE)
            for row in attempts.record(connection, answers[start : start + _RECORDED_AT_ONCE], claims)
        ]
        _find_breaks(connection, since - CLOCK_SLACK, listed_at, [])
    outcomes = Counter(outcome for _, _, outcome in changed)
    outcomes["still_unknown"] = len(found) - outcomes["succeeded"] - outcomes["declined"]
    if changed:
        services.replan(sorted({statement_id for _, statement_id, _ in changed}), now)
    log.info(
        "%s payments listed by the gateway; of %s attempts without an outcome %s succeeded, %s were declined or never "
        "made, %s stay unknown",
        copied,
        len(found),
        outcomes["succeeded"],
        outcomes["declined"],
        outcomes["still_unknown"],
    )
    return {key: outcomes[key] for key in ("succeeded", "declined", "still_unknown")}


def _settle_refunds(services: PaymentServices, age: timedelta) -> None:
    """Ask the gateway for each refund without a known outcome; one it hasn't got and older than `age` isn't made."""
    with services.warehouse() as connection:
        found = fetch_all(connection, "payments/open_refunds", min_age=age.total_seconds())
    for refund_id, payment_id, key, claim, is_overdue in found:
        answer = services.gateway.find_refund(payment_id, key)
        if answer is None and not is_overdue:
            continue
        claimed = None if answer else claim
        answer = answer or RefundResult(Outcome.REFUSED, message="the gateway has no such refund")
        outcome = record_refund(services, AskedRefund(refund_id, payment_id, key), answer, claimed)
        log.info("refund %s of payment %s: %s", refund_id, payment_id, outcome)


def _checked_age(services: PaymentServices, min_age: timedelta | None) -> timedelta:
    if min_age is None:
        return max(MIN_AGE, services.least_age)
    if min_age < services.least_age:
        seconds = services.least_age.total_seconds()
        raise BadInput(
            f"a missing charge would count as not made after {min_age.total_seconds():g} seconds, and may be on its "
            f"way for {seconds:g}",
            where="payment reconciliation",
            fix=f"give min_age_minutes of at least {math.ceil(seconds / 60)}: the lease and the gateway's timeouts",
        )
    return min_age


def _answer(
    was_sent: bool,
    is_overdue: bool,
    payment_id: str | None,
    outcome: str | None,
    decline_code: str | None,
    advice_code: str | None,
    is_as_asked: bool | None,
    is_refunded: bool | None,
) -> ChargeResult | None:
    """What the list says of an attempt; None if it leaves the outcome open."""
    if payment_id and outcome == Outcome.SUCCEEDED:
        if is_refunded:
            return ChargeResult(Outcome.DECLINED, payment_id, NOT_CHARGED, None, "it was refunded at the gateway")
        return ChargeResult(Outcome.SUCCEEDED, payment_id) if is_as_asked else None
    # A payment that waits to be confirmed looks like a declined one, but for the reason.
    if payment_id and outcome == Outcome.DECLINED and (decline_code or is_overdue):
        return ChargeResult(Outcome.DECLINED, payment_id, decline_code, advice_code)
    if payment_id is None and is_overdue:
        said = "the gateway has no such payment" if was_sent else "it was never sent"
        return ChargeResult(Outcome.DECLINED, None, NOT_CHARGED, None, said)
    return None


def compare(services: PaymentServices, since: datetime) -> list[Break]:
    """List anew what the gateway has, and keep every break with what is recorded; returns the open ones.

    Of breaks found before, those that are no longer there are marked as gone. While charging is on hold all payments
    are compared that a debt may have, whatever `since` is; then the hold is lifted. A refund of ours that was settled
    as not made, and that the gateway has made after all, is booked first.
    """
    with services.warehouse() as connection:
        note(connection, [])
        hold, reach = fetch_one(connection, "payments/hold")
        # Breaks found earlier are looked at again, however old: only so do they go once they are put right.
        listed_at, oldest, open_before = fetch_one(connection, "payments/oldest_break")
    since = min(since, oldest or since, reach if hold is not None else since)
    copy_payments(services, since - CLOCK_SLACK, with_returned=True)
    with services.warehouse() as connection:
        late = list(starmap(AskedRefund, fetch_all(connection, "payments/late_refunds")))
    for asked in late:
        book_late_refund(services, asked)
    with services.warehouse() as connection:
        hold_now, _ = fetch_one(connection, "payments/hold")
        if hold_now == hold:
            returned = fetch_one(connection, "payments/oldest_returned", listed_at=listed_at)[0]
            breaks = _find_breaks(connection, min(since, returned or since), listed_at, open_before)
            if hold is not None:
                lost = connection.execute("select billing.lift_hold(%s, %s, %s)", (hold, since, listed_at)).fetchone()
                log.warning(
                    "charging was on hold: all payments since %s are compared, %s of them aren't recorded here; the "
                    "hold is lifted",
                    f"{since:%Y-%m-%d}",
                    lost and lost[0],
                )
            return breaks
    # The list shows that the warehouse was restored: what lies before `since` is to be compared too.
    return compare(services, since)


def look_again(services: PaymentServices, since: datetime) -> None:
    """List anew the payments made since then, and keep the breaks among them; `compare` says which others are gone."""
    with services.warehouse() as connection:
        listed_at = fetch_one(connection, "payments/oldest_break")[0]
    since -= CLOCK_SLACK
    copy_payments(services, since)
    with services.warehouse() as connection:
        _find_breaks(connection, since, listed_at, [])


def _find_breaks(
    connection: psycopg.Connection[Any], since: datetime, listed_at: datetime, open_before: Sequence[int]
) -> list[Break]:
    """Keep the breaks among what was listed; of those that were open before, close what isn't there any more."""
    breaks = list(starmap(Break, fetch_all(connection, "payments/breaks", since=since, listed_at=listed_at)))
    _keep_breaks(connection, breaks, open_before)
    return [found for found in breaks if found.kind not in _CLOSED]


def tie_out_payments(services: PaymentServices, periods: Iterable[str]) -> dict[str, list[str]]:
    """Keep the money checks of these periods; returns the ids of those that aren't ok, by period."""
    not_ok: dict[str, list[str]] = {}
    with services.warehouse() as connection:
        for period in sorted(set(periods)):
            row = connection.execute(
                "select max(run_id) from billing.statement where kind = 'connector' and period = %s", (period,)
            ).fetchone()
            if row and row[0] is not None:
                _, failing = record_tie_out(connection, period, row[0], "payments")
                if failing:
                    not_ok[period] = failing
    return not_ok


def periods_with_payments(services: PaymentServices, since: datetime) -> list[str]:
    """The periods whose statements were tried, paid or no longer paid since then."""
    with services.warehouse() as connection:
        return [period for (period,) in fetch_all(connection, "payments/periods_since", since=since)]


def require_all_booked(services: PaymentServices, occasion: str) -> None:
    """Return if every success of the attempts made on this occasion is booked; raise `Mismatch` as for breaks if not.

    A success that came too late to be booked was kept as a break when it came.
    """
    with services.warehouse() as connection:
        breaks = list(starmap(Break, fetch_all(connection, "payments/unbooked", occasion=occasion)))
    require_no_breaks(breaks)


def require_no_breaks(breaks: Sequence[Break]) -> None:
    """Return if there is none; raise `Mismatch` that names them otherwise."""
    if not breaks:
        return
    lines = [found.sentence() for found in breaks[:_BREAKS_NAMED]]
    more = f"\n  ... and {len(breaks) - _BREAKS_NAMED} more" if len(breaks) > _BREAKS_NAMED else ""
    raise Mismatch(
        f"gateway and warehouse differ in {len(breaks)} payments:\n  " + "\n  ".join(lines) + more,
        where="payment reconciliation",
        fix="all are in finance.payment_breaks; what is put right is gone at the next comparison",
    )


def _keep(connection: psycopg.Connection[Any], listed: Sequence[GatewayPayment], listed_at: datetime) -> None:
    # Should a page repeat a payment, it is kept once.
    payments = list({payment.gateway_payment_id: payment for payment in listed}.values())
    execute(
        connection,
        "payments/gateway_payments",
        listed_at=listed_at,
        ids=[p.gateway_payment_id for p in payments],
        outcomes=[str(p.outcome) for p in payments],
        amounts=[p.amount_minor for p in payments],
        refunds=[p.refunded_minor for p in payments],
        currencies=[p.currency for p in payments],
        created=[p.created_at for p in payments],
        customers=[p.customer for p in payments],
        attempts=[attempt_number(p) for p in payments],
        statements=[statement_of(p) for p in payments],
        codes=[p.decline_code for p in payments],
        advice=[p.advice_code for p in payments],
        disputes=[p.dispute for p in payments],
        disputed=[p.disputed_minor for p in payments],
        modes=[p.is_live for p in payments],
    )


def _keep_breaks(connection: psycopg.Connection[Any], breaks: Sequence[Break], open_before: Sequence[int]) -> None:
    # A break that was raised while the gateway was asked isn't gone: the list may be older than it.
    connection.execute(
        """update billing.payment_break b set gone_at = now()
           where b.gone_at is null and b.break_id = any(%s) and (b.kind || ' ' || b.gateway_payment_id) <> all(%s)""",
        (open_before, [f"{found.kind} {found.gateway_payment_id}" for found in breaks]),
    )
    execute_many(
        connection,
        "payments/break",
        [asdict(found) | {"detail": found.sentence(), "is_closed": found.kind in _CLOSED} for found in breaks],
    )
