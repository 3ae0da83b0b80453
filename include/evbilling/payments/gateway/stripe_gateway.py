"""The gateway by Stripe's official client: every request paced, every answer one of our outcomes."""

from __future__ import annotations

import logging
import math
import random
import re
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import requests
import stripe
from stripe.params import PaymentIntentCreateParams, PaymentIntentListParams, RefundCreateParams

from evbilling.errors import BadInput, EvbillingError, TransientError
from evbilling.payments.gateway.amounts import to_gateway
from evbilling.payments.gateway.interface import (
    Charge,
    ChargeResult,
    Dispute,
    GatewayPayment,
    GatewaySettings,
    Lease,
    NotSentError,
    Outcome,
    Refund,
    RefundResult,
)
from evbilling.payments.gateway.refusals import CUSTOMER_MISSING
from evbilling.payments.gateway.stripe_answers import (
    code_of,
    details_of,
    dispute_of,
    in_words,
    mapping_of,
    minor_of,
    result_of,
    result_of_charge,
    result_of_error,
    result_of_refund,
)
from evbilling.payments.retries.declines import AMOUNT_NOT_CHARGEABLE

_WHERE = "Airflow connection payment_gateway"
_POOL_SIZE = 64  # more than the threads of a task, so that none opens a connection for one request only
_LARGEST_PAGE = 100

# A refusal for too many requests executed nothing, so the same request may go again: waits in seconds.
_WAITS_WHEN_REFUSED = tuple(min(5.0, 0.2 * 2**n) for n in range(10))

# What a gateway without such a list answers, or one that doesn't show it to the key.
_NOT_LISTED = frozenset({400, 403, 404, 405, 501})

# By it a refund is found again.
_REFUND_KEY = "evbilling_refund"

_KEY = re.compile(r"[\x21-\x7e]+")
# Secret and restricted keys name their mode.
_MODE_OF_KEY = re.compile(r"[sr]k_(live|test)_")

log = logging.getLogger(__name__)
# At level DEBUG the HTTP library logs addresses with the ids of customers, for everybody who may read a task's log.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

Json = dict[str, Any]


class _Call(threading.local):
    """A thread's current charge: its lease, and how often it was sent."""

    lease: Lease | None = None
    sends: int = 0


class _PacedClient(stripe.RequestsClient):
    """The library's HTTP client, which waits for a turn before every send, its own repeats included.

    A charge isn't sent once its lease is over; that is checked last, after the wait.
    """

    def __init__(self, wait_turn: Callable[[], None], timeout_seconds: float) -> None:
        session = requests.Session()
        session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=_POOL_SIZE))
        session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=_POOL_SIZE))
        # A redirected POST would be sent again as a GET, unpaced.
        session.max_redirects = 0
        # Without an authentication of its own a session prefers what ~/.netrc has for the host over our key.
        session.auth = lambda request: request
        super().__init__(timeout=timeout_seconds, session=session)
        self._wait_turn = wait_turn
        self._call = _Call()

    @contextmanager
    def leased(self, lease: Lease | None) -> Generator[None]:
        """In the block, this thread's requests belong to one charge.

        If the lease ends before the first send, raise `NotSentError`; after a send, treat it as no answer.
        """
        self._call.lease, self._call.sends = lease, 0
        try:
            yield
        except NotSentError:
            if self._call.sends:
                raise stripe.APIConnectionError("too late to repeat it") from None  # type: ignore[no-untyped-call]
            raise
        finally:
            self._call.lease = None

    def request(  # type: ignore[override]  # as the client it extends, which returns bytes where its own base says str
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        self._check_lease()
        self._wait_turn()
        self._check_lease()
        self._call.sends += 1
        return super().request(method, url, headers, post_data)

    def _check_lease(self) -> None:
        if self._call.lease is not None and self._call.lease.is_over:
            raise NotSentError

    def close(self) -> None:
        """Close the connections of all threads: they share one session."""
        if self._session is not None:
            self._session.close()


class StripeGateway:
    """Stripe, or a server with the same API, as our `Gateway`. Safe across threads; `close` it, or use it in a `with`.

    `wait_turn` is called before each HTTP request and returns when it may be sent; what it raises passes through.
    Raises `BadInput` for a key or address that can't be one. No error names a customer, nor has a cause that does: the
    library's own have the whole address of the request, and whoever may read a task's log would read it there.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        wait_turn: Callable[[], None],
        *,
        page_size: int = _LARGEST_PAGE,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._base = _checked_base(settings.api_base or stripe.DEFAULT_API_BASE)
        self._page_size = page_size
        self._sleep = sleep
        stripe.enable_telemetry = False
        logging.getLogger("stripe").setLevel(logging.WARNING)  # it logs two lines a request, and all of it at DEBUG
        self._http = _PacedClient(wait_turn, settings.timeout_seconds)
        client = stripe.StripeClient(
            _checked_key(settings.api_key),
            http_client=self._http,
            base_addresses={"api": self._base},
            max_network_retries=settings.max_network_retries,
        )
        self._intents = client.v1.payment_intents
        self._customers = client.v1.customers
        self._disputes = client.v1.disputes
        self._refunds = client.v1.refunds
        self._livemode = settings.livemode
        mode = _MODE_OF_KEY.match(settings.api_key)
        self._key_is_live = mode[1] == "live" if mode else None

    def __enter__(self) -> StripeGateway:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the gateway."""
        self._http.close()

    def check(self, customers: Sequence[str] = (), *, is_live: bool | None = None) -> None:
        """Return if the gateway answers, takes our key, and knows one of these customers, of some.

        `is_live`: the mode of the payments so far; the connection's `livemode` goes before it. Raises `BadInput` if the
        key is of the other mode, or of an account that has none of the customers.
        """
        wanted = is_live if self._livemode is None else self._livemode
        self._require_mode(self._key_is_live, wanted)
        if not customers:
            self._page({"limit": 1})
        for customer in customers:
            if (found := self._customer(customer)) is not None:
                self._require_mode(found.get("livemode"), wanted)
                return
        if customers:
            raise BadInput(
                f"the payment gateway at {self._base} has none of the customers that are to be charged "
                f"({len(customers)} looked for); nothing was charged",
                where=_WHERE,
                fix="set the connection's password to a key of the account, and of the mode (live or test), "
                "that these customers belong to",
            )

    def _require_mode(self, is_live: object, wanted: bool | None) -> None:
        if wanted is None or not isinstance(is_live, bool) or is_live == wanted:
            return
        names = {True: "live", False: "test"}
        raise BadInput(
            f"the payment gateway's key is for {names[is_live]} payments, and {names[wanted]} payments are made here; "
            "nothing was charged",
            where=_WHERE,
            fix=f"set the connection's password to a {names[wanted]} key; or, if this is meant, its extra livemode to "
            f"{str(is_live).lower()}",
        )

    def _customer(self, customer: str) -> Json | None:
        """A customer of the account, deleted or not; {} if the key may not look, None if there is none."""
        try:
            return self._read(lambda: self._customers.retrieve(customer), may_be_forbidden=True)
        except stripe.PermissionError:
            log.warning("the gateway's key may not look at customers, so whether they are there isn't known beforehand")
            return {}
        except stripe.InvalidRequestError:
            return None

    def _has_customer(self, customer: str) -> bool:
        """True if the customer is there for sure."""
        try:
            return self._customer(customer) is not None
        except EvbillingError:
            return False

    def charge(self, charge: Charge) -> ChargeResult:
        """Make a charge. No answer, or one that can't be read, is UNKNOWN; an amount Stripe can't take is REFUSED.

        Raises `NotSentError` if its lease was over before it was sent.
        """
        try:
            units = to_gateway(charge.amount_minor, charge.currency)
        except BadInput as error:
            return ChargeResult(Outcome.REFUSED, decline_code=AMOUNT_NOT_CHARGEABLE, message=error.what)
        params: PaymentIntentCreateParams = {
            "amount": units,
            "currency": charge.currency.lower(),
            "customer": charge.customer,
            "payment_method": charge.payment_method,
            "confirm": True,
            "off_session": True,
            "error_on_requires_action": True,
            # Without this Stripe wants an address to send the customer back to.
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "description": charge.description,
            "metadata": dict(charge.metadata),
        }
        try:
            with self._http.leased(charge.lease):
                intent = self._send(lambda: self._intents.create(params, {"idempotency_key": charge.idempotency_key}))
        except stripe.StripeError as error:
            result = result_of_error(error)
            if result.decline_code == "resource_missing" and not self._has_customer(charge.customer):
                # Not the card is gone but the customer, or the key is another account's.
                return ChargeResult(Outcome.REFUSED, decline_code=CUSTOMER_MISSING, message=result.message)
            return result
        return result_of_charge(intent, units, charge.currency)

    def refund(self, refund: Refund) -> RefundResult:
        """Give back a payment. No answer, or one that can't be read, is UNKNOWN.

        Raises `NotSentError` if its lease was over before it was sent.
        """
        units = to_gateway(refund.amount_minor, refund.currency)
        params: RefundCreateParams = {
            "payment_intent": refund.gateway_payment_id,
            "amount": units,
            "metadata": {**refund.metadata, _REFUND_KEY: refund.idempotency_key},
        }
        try:
            with self._http.leased(refund.lease):
                made = self._send(lambda: self._refunds.create(params, {"idempotency_key": refund.idempotency_key}))
        except stripe.StripeError as error:
            said = result_of_error(error)
            is_unknown = said.outcome is Outcome.UNKNOWN
            return RefundResult(Outcome.UNKNOWN if is_unknown else Outcome.REFUSED, message=said.message)
        result = result_of_refund(made)
        if result.outcome is Outcome.SUCCEEDED and made.get("amount") != units:
            return RefundResult(Outcome.UNKNOWN, result.gateway_refund_id, "another amount was refunded than asked for")
        return result

    def find_refund(self, gateway_payment_id: str, idempotency_key: str) -> RefundResult | None:
        """What became of the refund of this payment that was asked for with this key; None if there is none."""
        params = {"payment_intent": gateway_payment_id, "limit": self._page_size}
        found, refunded = None, 0
        for made in self._pages(lambda page: self._checked_page(self._read(lambda: self._refunds.list(page))), params):
            result = result_of_refund(made)
            if mapping_of(made.get("metadata")).get(_REFUND_KEY) == idempotency_key:
                found = result
            if result.outcome is Outcome.SUCCEEDED and isinstance(amount := made.get("amount"), int):
                refunded += minor_of(amount, str(made.get("currency")).upper())
        return found and replace(found, refunded_minor=refunded)

    def list_payments(
        self, since: datetime, until: datetime | None = None, *, customer: str | None = None
    ) -> Iterator[GatewayPayment]:
        """The payments created in [since, until), aware instants, newest first; of one customer if given."""
        # The gateway keeps whole seconds: one is in [since, until) if it is at or after both bounds rounded up.
        created = {"gte": math.ceil(since.timestamp())}
        if until is not None:
            created["lt"] = math.ceil(until.timestamp())
        params: PaymentIntentListParams = {
            "limit": self._page_size,
            "expand": ["data.latest_charge"],
            "created": created,  # type: ignore[typeddict-item]  # gte and perhaps lt
        }
        if customer is not None:
            params["customer"] = customer
        for intent in self._pages(self._page, params):
            yield self._payment(intent)

    def list_returned(self, since: datetime) -> Iterator[GatewayPayment]:
        """The payments of which a refund or a dispute was created since then, each once, whenever they were made."""
        params = {"limit": self._page_size, "created": {"gte": math.ceil(since.timestamp())}}
        seen = set()
        for objects in (self._refunds, self._disputes):
            for one in self._pages(partial(self._page_of, objects), params):
                intent_id = one.get("payment_intent")
                if not isinstance(intent_id, str) or intent_id in seen:
                    continue
                seen.add(intent_id)
                retrieve = partial(self._intents.retrieve, intent_id, {"expand": ["latest_charge"]})
                with suppress(stripe.InvalidRequestError):
                    yield self._payment(self._read(retrieve))

    def _pages(self, page: Callable[[Any], tuple[list[Json], bool]], params: Mapping[str, Any]) -> Iterator[Json]:
        """Every object of a list, page after page."""
        has_more = True
        while has_more:
            found, has_more = page(params)
            yield from found
            if not found:
                return
            last = found[-1]["id"]
            if last == params.get("starting_after"):
                raise self._nonsense("the same page again and again")
            params = {**params, "starting_after": last}

    def _page_of(self, objects: Any, params: Any) -> tuple[list[Json], bool]:
        """A page of refunds or disputes; none where the gateway has no such list or doesn't show it to the key."""
        try:
            page = self._send(lambda: objects.list(params), may_be_forbidden=True)
        except stripe.StripeError as error:
            if error.http_status not in _NOT_LISTED:
                raise self._no_answer(error) from None
            log.warning("%s can't be listed at the gateway: %s", type(objects).__name__, in_words(error))
            return [], False
        return self._checked_page(page)

    def _page(self, params: PaymentIntentListParams) -> tuple[list[Json], bool]:
        """One page of payments, and whether there are more."""
        try:
            page = self._read(lambda: self._intents.list(params))
        except stripe.InvalidRequestError as error:
            details = details_of(error)
            if code_of(details) == "resource_missing" and details.get("param") == "customer":
                return [], False
            raise self._refused(error) from None
        return self._checked_page(page)

    def _checked_page(self, page: Json) -> tuple[list[Json], bool]:
        found = page.get("data")
        if not isinstance(found, list) or not all(isinstance(one, dict) and one.get("id") for one in found):
            raise self._nonsense("no list of payments")
        return found, page.get("has_more") is True

    def _read(self, call: Callable[[], stripe.StripeObject], *, may_be_forbidden: bool = False) -> Json:
        """The answer to a reading request; raises `TransientError`, `BadInput` or `stripe.InvalidRequestError`.

        If it `may_be_forbidden` to the key, also `stripe.PermissionError`.
        """
        try:
            return self._send(call, may_be_forbidden=may_be_forbidden)
        except (stripe.InvalidRequestError, stripe.PermissionError):
            raise
        except stripe.StripeError as error:
            raise self._no_answer(error) from None

    def _send(self, call: Callable[[], stripe.StripeObject], *, may_be_forbidden: bool = False) -> Json:
        """Send a request, again while it is refused for the rate; raises `BadInput` or a `stripe.StripeError`."""
        for wait in (*_WAITS_WHEN_REFUSED, None):
            try:
                return call().to_dict()
            except stripe.RateLimitError:
                if wait is None:
                    raise
                # Not for security: it spreads the threads that were refused together.
                self._sleep(wait * random.uniform(0.5, 1))  # ruff: ignore[suspicious-non-cryptographic-random-usage]
            except (stripe.AuthenticationError, stripe.PermissionError) as error:
                if may_be_forbidden and isinstance(error, stripe.PermissionError):
                    raise
                # Without the cause: its message repeats part of the key.
                raise BadInput(
                    f"the payment gateway at {self._base} refuses the key",
                    where=_WHERE,
                    fix="set the connection's password to a secret key that may create and read payment intents",
                ) from None
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                # The library trips over JSON of another shape than Stripe's.
                raise stripe.APIError("its answer can't be read") from error
        raise AssertionError("the last send returns or raises")

    def _payment(self, intent: Mapping[str, Any]) -> GatewayPayment:
        """A payment intent as ours; raises `TransientError` if it isn't one."""
        result = result_of(intent)
        units = intent.get("amount_received" if result.outcome is Outcome.SUCCEEDED else "amount")
        created, currency = intent.get("created"), intent.get("currency")
        if not (isinstance(units, int) and isinstance(created, int) and isinstance(currency, str) and intent.get("id")):
            raise self._nonsense("a payment without id, amount, currency or date")
        charge = mapping_of(intent.get("latest_charge"))
        refunded = charge.get("amount_refunded")
        dispute, disputed = None, 0
        if charge.get("disputed") is True:
            dispute, disputed = self._dispute(str(intent["id"]), units)
        customer, is_live = intent.get("customer"), intent.get("livemode")
        return GatewayPayment(
            gateway_payment_id=str(intent["id"]),
            outcome=result.outcome,
            amount_minor=minor_of(units, currency.upper()),
            refunded_minor=minor_of(refunded if isinstance(refunded, int) else 0, currency.upper()),
            currency=currency.upper(),
            created_at=datetime.fromtimestamp(created, UTC),
            customer=customer if isinstance(customer, str) else None,
            metadata={str(name): str(value) for name, value in mapping_of(intent.get("metadata")).items()},
            decline_code=result.decline_code,
            advice_code=result.advice_code,
            dispute=dispute,
            disputed_minor=minor_of(disputed, currency.upper()),
            is_live=is_live if isinstance(is_live, bool) else None,
        )

    def _dispute(self, intent_id: str, units: int) -> tuple[Dispute, int]:
        """How the disputes of a disputed payment stand, with their amount; as opened, of all, if they can't be seen."""
        try:
            page = self._read(
                lambda: self._disputes.list({"payment_intent": intent_id, "limit": _LARGEST_PAGE}),
                may_be_forbidden=True,
            )
        except (stripe.InvalidRequestError, stripe.PermissionError) as error:
            log.warning("%s is disputed, and how that stands can't be read: %s", intent_id, in_words(error))
            return Dispute.OPENED, units
        found = page.get("data")
        state, amount = dispute_of([mapping_of(one) for one in found] if isinstance(found, list) else [])
        return (state, min(amount, units)) if state else (Dispute.OPENED, units)

    def _no_answer(self, error: stripe.StripeError) -> TransientError:
        return TransientError(
            f"the payment gateway at {self._base} gives no usable answer: {in_words(error)}",
            where=_WHERE,
            fix="check the connection's address and that the gateway is up, then try again",
        )

    def _nonsense(self, what: str) -> TransientError:
        return TransientError(
            f"what answers at {self._base} doesn't speak like the payment gateway: {what}",
            where=_WHERE,
            fix="check the connection's address, then try again",
        )

    def _refused(self, error: stripe.StripeError) -> BadInput:
        return BadInput(
            f"the payment gateway at {self._base} refuses the question: {in_words(error)}",
            where=_WHERE,
            fix="check that the address is that of a gateway of the same API version as the client",
        )


def _checked_key(key: str) -> str:
    # Checked here because the HTTP library's complaint about a header would print it.
    if not _KEY.fullmatch(key):
        what = "has characters that no key has" if key.strip() else "is empty"
        raise BadInput(
            f"the payment gateway's key {what}",
            where=_WHERE,
            fix="set the connection's password to the gateway's secret key",
        )
    return key


def _checked_base(address: str) -> str:
    try:
        parts = urlsplit(address)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_address = False
    # A password in the address would end up in every message.
    if not is_address or parts.username or parts.query or parts.fragment:
        raise BadInput(
            "the payment gateway's address isn't an http or https address of a host, an optional port and path",
            where=_WHERE,
            fix="write it like http://127.0.0.1:12111, or leave it out for Stripe itself",
        )
    return address.rstrip("/")
