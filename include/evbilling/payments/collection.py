"""Makes a batch's calls at the gateway, many at a time at one shared rate, and records every answer.

A killed run loses nothing: what was not sent is sent by the next, and what was sent but not recorded is sent again with
the same key, which the gateway answers without charging twice.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg

from evbilling.errors import BadInput, TransientError
from evbilling.payments import attempts
from evbilling.payments.attempts import Claimed
from evbilling.payments.gateway.interface import Charge, ChargeResult, Gateway, Lease, NotSentError, Outcome
from evbilling.payments.gateway.refusals import KEY_REFUSED, how_to_fix, is_of_one_statement
from evbilling.payments.hold import require_charging
from evbilling.payments.retries.declines import classify
from evbilling.services import Services

log = logging.getLogger(__name__)

# Calls under way at once: at 20 a second, each may take over a second without slowing the others.
WORKERS = 32
# A claim lapses after this: its worker sends nothing more under it and counts as dead. If it has sent already, sending
# again is harmless, because the key is the same.
LEASE_SECONDS = 60.0
# Answers are recorded at least this often, and this many at a time.
_FLUSH_SECONDS = 0.25
_FLUSH_ROWS = 64
# After this many calls in a row without an answer no more are made: each would be another unknown outcome.
_SILENT_CALLS = 24
_RANK = {Outcome.REFUSED: 0, Outcome.UNKNOWN: 1, Outcome.DECLINED: 2, Outcome.SUCCEEDED: 3}
# A batch begins with this many calls at once, until one isn't refused for a reason of ours.
_FIRST_CALLS = 3
# After so many such refusals alike in a row no more calls are made; after so many more where each may be of one
# statement's data.
_REFUSED_CALLS = 3
_REFUSED_CALLS_OF_ONE = 10
# So many customers of a batch are looked for beforehand: one that the gateway has is enough.
_CUSTOMERS_LOOKED_FOR = 25


@dataclass(slots=True)
class Collected:
    """What a batch's calls came to. `not_accepted`: refused by the gateway for a reason of ours, by code."""

    succeeded: int = 0
    unknown: int = 0
    declined: Counter[str] = field(default_factory=Counter)
    not_accepted: Counter[str] = field(default_factory=Counter)

    def add(self, result: ChargeResult) -> None:
        """Count one answer."""
        if result.outcome is Outcome.DECLINED:
            self.declined[str(classify(result.decline_code, result.advice_code))] += 1
        elif result.outcome is Outcome.REFUSED:
            self.not_accepted[str(result.decline_code)] += 1
        elif result.outcome is Outcome.SUCCEEDED:
            self.succeeded += 1
        else:
            self.unknown += 1

    @property
    def total(self) -> int:
        """How many calls were answered, or known not to be."""
        return self.succeeded + self.unknown + self.declined.total() + self.not_accepted.total()

    def as_dict(self) -> dict[str, Any]:
        """{"succeeded", "unknown", "declined": {class: count}, "not_accepted": {code: count}}."""
        return {
            "succeeded": self.succeeded,
            "unknown": self.unknown,
            "declined": dict(self.declined),
            "not_accepted": dict(self.not_accepted),
        }


def collect(
    services: Services,
    gateway: Gateway,
    batch: str,
    *,
    workers: int = WORKERS,
    lease_seconds: float = LEASE_SECONDS,
    is_looked_at: bool = False,
) -> Collected:
    """Send the batch's pending attempts and record what became of them; returns the count of answers.

    `is_looked_at`: the caller has just found out that charges may be made.

    Raises `BadInput` if the gateway refuses our key or our requests, or has none of the customers; `NotReady` while
    charging is on hold; `TransientError` if the gateway stops answering. What was not sent then stays pending, and the
    same call goes on with it.
    """
    collected = Collected()
    with services.warehouse() as connection:
        # Only if there is something to send: a month without a debt needs no gateway.
        if not attempts.count_waiting(connection, batch):
            return collected
        total, done, failed = attempts.count_sent(connection, batch)
        services.progress.begin("statements", total, done=done, failed=failed)
        if not is_looked_at:
            require_charging(services, gateway)
        check_gateway(connection, gateway, attempts.customers_waiting(connection, batch, _CUSTOMERS_LOOKED_FOR))
        installation = str(connection.execute("select installation_id from billing.installation").fetchone()[0])  # type: ignore[index]
        connection.commit()
        with ThreadPoolExecutor(workers, thread_name_prefix="charge") as pool:
            _Sender(services, connection, gateway, batch, installation, pool, workers, lease_seconds, collected).run()
    log.info(
        "%s: %s collected, %s declined%s, %s refused for a reason of ours, %s unknown",
        batch,
        collected.succeeded,
        collected.declined.total(),
        f" ({', '.join(f'{n} {c}' for c, n in sorted(collected.declined.items()))})" if collected.declined else "",
        collected.not_accepted.total(),
        collected.unknown,
    )
    return collected


def check_gateway(connection: psycopg.Connection[Any], gateway: Gateway, customers: Iterable[str | None]) -> None:
    """Return if the gateway takes our key, and has a customer that was charged before or one of the first few of these.

    Raises `BadInput` otherwise, also if the payments so far were made with a key of the other mode, live or test;
    `TransientError` if it doesn't answer. Ends the connection's transaction.
    """
    mode = connection.execute(
        """select livemode from billing.gateway_payment where outcome = 'succeeded' and livemode is not null
           order by created_at limit 1"""
    ).fetchone()
    # All that is left to be charged may have customers that are missing; one that was charged tells of the key alone.
    charged = connection.execute(
        """select customer from billing.payment_attempt where outcome = 'succeeded' and customer is not null
           order by attempt_id desc limit 1"""
    ).fetchone()
    connection.commit()
    some = sorted(set(filter(None, customers)))[:_CUSTOMERS_LOOKED_FOR]
    gateway.check([*(charged or ()), *some] if some else (), is_live=mode[0] if mode else None)


@dataclass(slots=True)
class _Sender:
    services: Services
    connection: psycopg.Connection[Any]
    gateway: Gateway
    batch: str
    installation: str
    pool: ThreadPoolExecutor
    workers: int
    lease_seconds: float
    collected: Collected
    _calls: dict[Future[ChargeResult | None], Claimed] = field(default_factory=dict)
    _answers: list[tuple[int, ChargeResult]] = field(default_factory=list)
    _silent: int = 0
    # The latest refusals in a row of one code, and whether any call was answered otherwise.
    _refused: list[ChargeResult] = field(default_factory=list)
    _is_accepted: bool = False
    _flushed: float = 0.0

    def run(self) -> None:
        self._flushed = time.monotonic()
        try:
            self._send_all()
        except BaseException:
            self._record_remaining()
            raise

    def _send_all(self) -> None:
        while self._claim() or self._calls or self._wait_for_lapsed_claims():
            self._take_answers()
            self._flush(at_once=not self._calls)
            self._stop_if_silent()
            self._stop_if_refused()
        self._stop_if_refused(is_over=True)

    def _record_remaining(self) -> None:
        """After an error, record the answers of the calls that were already made.

        It uses a new connection, since the first may be what failed. If that fails too, no harm is done: the
        attempts stay pending, and sent again with the same key they are answered the same.
        """
        # Its open transaction, if any, would keep the new one waiting.
        self.connection.close()
        for call in self._calls:
            call.cancel()
        wait(self._calls)
        for call, attempt in self._calls.items():
            if not call.cancelled() and not call.exception() and (result := call.result()):
                self._answers.append((attempt.attempt_id, result))
        self._calls.clear()
        try:
            with self.services.warehouse() as connection:
                self._record(connection)
        except Exception:
            log.exception(
                "%s: %s answers could not be recorded; they are asked for again", self.batch, len(self._answers)
            )

    def _claim(self) -> bool:
        most = self.workers if self._is_accepted else min(self.workers, _FIRST_CALLS)
        free = most - len(self._calls)
        # Claim when half of the workers are free: one transaction for many attempts, and none waits for the slowest.
        if free < max(1, most // 2):
            return False
        lease = Lease(self.lease_seconds)
        claimed = attempts.claim(self.connection, self.batch, free, self.lease_seconds)
        for attempt in claimed:
            self._calls[self.pool.submit(self._send, attempt, lease)] = attempt
        return bool(claimed)

    def _send(self, attempt: Claimed, lease: Lease) -> ChargeResult | None:
        charge = Charge(
            idempotency_key=attempt.idempotency_key,
            amount_minor=attempt.amount_minor,
            currency=attempt.currency,
            customer=attempt.customer,
            payment_method=attempt.payment_method,
            description=f"Connector statement {attempt.statement_id}",
            metadata={
                "evbilling_installation": self.installation,
                "evbilling_statement": attempt.statement_id,
                "evbilling_attempt": str(attempt.attempt_id),
            },
            lease=lease,
        )
        try:
            return self.gateway.charge(charge)
        except NotSentError:
            # It stays pending, and is claimed anew.
            return None
        except BadInput as error:
            return ChargeResult(Outcome.REFUSED, decline_code=KEY_REFUSED, message=error.what)

    def _take_answers(self) -> None:
        if not self._calls:
            return
        done, _ = wait(self._calls, timeout=_FLUSH_SECONDS, return_when=FIRST_COMPLETED)
        for call in done:
            # Taken out of the calls only with its answer in hand: what fails in between must lose none.
            if result := call.result():
                self._answers.append((self._calls[call].attempt_id, result))
                is_silent = result.outcome is Outcome.UNKNOWN and not result.gateway_payment_id
                self._silent = self._silent + 1 if is_silent else 0
                self._count_refusal(result)
            del self._calls[call]

    def _flush(self, *, at_once: bool) -> None:
        is_due = len(self._answers) >= _FLUSH_ROWS or time.monotonic() - self._flushed >= _FLUSH_SECONDS
        if self._answers and (at_once or is_due):
            self._record(self.connection)
        if at_once or is_due:
            self._flushed = time.monotonic()

    def _record(self, connection: psycopg.Connection[Any]) -> None:
        answers: dict[int, ChargeResult] = {}
        for attempt_id, result in self._answers:
            # Of two answers to one attempt (sent again after its claim lapsed) the one with a known outcome counts, and
            # of those the success.
            before = answers.get(attempt_id)
            if before is None or _RANK[result.outcome] > _RANK[before.outcome]:
                answers[attempt_id] = result
        for attempt_id, _, outcome in attempts.record(connection, list(answers.items())):
            self.collected.add(replace(answers[attempt_id], outcome=Outcome(outcome)))
            self.services.progress.advance(failed=int(outcome != Outcome.SUCCEEDED))
        for answer in self._answers:
            # A second payment of one attempt is a break.
            if answer[1].outcome is Outcome.SUCCEEDED and answer[1] != answers[answer[0]]:
                attempts.record(connection, [answer])
        self._answers.clear()

    def _stop_if_silent(self) -> None:
        if self._silent >= _SILENT_CALLS:
            self.gateway.check()
            raise TransientError(
                f"the payment gateway gave no clear answer to the last {self._silent} charges",
                where=self.batch,
                fix="try again: what was not sent goes on then; payment_reconciliation asks what became of these",
            )

    def _count_refusal(self, result: ChargeResult) -> None:
        if result.outcome is not Outcome.REFUSED:
            self._is_accepted = True
            self._refused.clear()
        elif self._refused and self._refused[0].decline_code == result.decline_code:
            self._refused.append(result)
        else:
            self._refused = [result]

    def _stop_if_refused(self, *, is_over: bool = False) -> None:
        """Raise `BadInput` if the refusals so far say that the others would be refused too, or that all of them were.

        What concerns one statement's data alone doesn't stop a batch; `require_in_order` lists it.
        """
        if not self._refused:
            return
        code, message = self._refused[0].decline_code, self._refused[0].message
        is_of_one = is_of_one_statement(code)
        most = 1 if code == KEY_REFUSED else _REFUSED_CALLS_OF_ONE if is_of_one else _REFUSED_CALLS
        if len(self._refused) >= most or (is_over and not self._is_accepted and not is_of_one):
            raise BadInput(
                f"the payment gateway refused the last {len(self._refused)} charges alike ({code}): {message}; nothing "
                "was charged by them, no customer was told, and no more are made",
                where=self.batch,
                fix=f"{how_to_fix(code)}; then clear the task: it tries all of them again",
            )

    def _wait_for_lapsed_claims(self) -> bool:
        """True while attempts are claimed by a sender that may be gone; sleeps a little."""
        if not attempts.count_waiting(self.connection, self.batch):
            return False
        time.sleep(min(1.0, self.lease_seconds / 4))
        return True
