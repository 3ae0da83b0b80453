"""Prepares messages while others are sent: letter, PDF and envelope, on all cores, a few ahead; and keeps each."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import psycopg

from evbilling.documents import FontMissing, Issuer, Renderer, statement_pdf
from evbilling.errors import EvbillingError, TransientError
from evbilling.evidence import EvidenceStore, Stored
from evbilling.mail.kept import keep
from evbilling.mail.letters import FAILED_CHARGE, Occasion, write_letter
from evbilling.mail.messages import Sender, compose, message_id
from evbilling.mail.outbox import ReservedMail
from evbilling.mail.recipients import Address, Recipients
from evbilling.platform.access import read_users
from evbilling.read_models.statement import (
    ACCOUNT,
    Collection,
    Standing,
    StatementView,
    read_collections,
    show_statement,
    standing_of,
)
from evbilling.services import Services
from evbilling.warehouse.connect import connected

log = logging.getLogger(__name__)

# From this many messages on, PDFs are made in helper processes, which take a second each to start.
_HELPERS_FROM = 200
# Messages kept at once: to store one is to wait, for a disk or an object store.
_KEEPERS = 8


@dataclass(frozen=True, slots=True)
class PreparedMail:
    """A message ready to be sent, or in `refused` the reason why it can't be, in `waits` why it can't be yet.

    `kept` is where its content is kept; it isn't sent before. Its error is the evidence store's, not the message's.
    """

    row: ReservedMail
    recipient: Address | None = None
    message_id: str = ""
    content: bytes = b""
    kept: Future[Stored] | None = None
    refused: str = ""
    waits: str = ""


@dataclass
class Preparer:
    """Prepares about this many messages in threads, one for each core, with a connection each; to be closed.

    `are_retries_sent`: False if the DAG that sends them is paused, or if that isn't known.
    """

    services: Services
    recipients: Recipients
    sender: Sender
    installation_id: str
    messages: int
    are_retries_sent: bool = False
    issuer: Issuer = field(default_factory=partial(Issuer.from_environment, os.environ))
    _pool: ThreadPoolExecutor = field(default_factory=partial(ThreadPoolExecutor, os.cpu_count() or 1, "letter"))
    _keepers: ThreadPoolExecutor = field(default_factory=partial(ThreadPoolExecutor, _KEEPERS, "keeper"))
    _evidence: EvidenceStore = field(init=False)
    _local: threading.local = field(default_factory=threading.local)
    _closing: ExitStack = field(default_factory=ExitStack)
    _opening: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Open the evidence store; raises `BadInput` if its URL names none."""
        self._evidence = self.services.evidence

    def submit(self, rows: Sequence[ReservedMail]) -> list[Future[PreparedMail]]:
        """Start to prepare the messages."""
        return [self._pool.submit(self._prepare, row) for row in rows]

    def _prepare(self, row: ReservedMail) -> PreparedMail:
        address = self.recipients.address_of(row.financial_admin_id, row.account_id)
        if isinstance(address, str):
            return PreparedMail(row, refused=address)
        try:
            return self._write(row, address)
        except (psycopg.Error, TransientError):
            raise
        except FontMissing as error:
            return PreparedMail(row, waits=f"{error.what}; {error.fix}")
        except Exception as error:
            # One statement that can't be rendered must not keep the others from being sent.
            log.exception("mail %s (%s of %s) can't be written", row.mail_id, row.kind, row.statement_id)
            what = error.what if isinstance(error, EvbillingError) else type(error).__name__
            return PreparedMail(row, refused=f"it can't be written: {what}; see the log of the run")

    def _write(self, row: ReservedMail, address: Address) -> PreparedMail:
        is_notice = row.kind == FAILED_CHARGE
        # A notice has no document, so its lines aren't read.
        view = show_statement(
            self._connection(), row.statement_id, **({"chargers": 0, "items": 0} if is_notice else {})
        )
        locale = self.recipients.locale_of(row.account_id)
        name = self.recipients.name_of(row.financial_admin_id, row.account_id)
        occasion = Occasion(locale, self._standings(view), row.attempt_no)
        letter = write_letter(row.kind, view, occasion, self.issuer, name)
        pdf = None if is_notice else self._pdf(view, locale, name or "")
        own_id = message_id(self.installation_id, row.mail_id, self.sender)
        content = compose(
            letter,
            self.sender,
            address,
            recipient_name=name,
            message_id=own_id,
            date=datetime.now(UTC),
            attachment=(f"{row.statement_id}.pdf", pdf) if pdf else None,
        )
        kept = self._keepers.submit(keep, self._evidence, view.header.period, content)
        return PreparedMail(row, address, own_id, content, kept)

    def _standings(self, view: StatementView) -> list[Standing]:
        """How the collection stands of the connector statements that the letter is about."""
        header = view.header
        found = (
            read_collections(self._connection(), of=header)
            if header.kind == ACCOUNT
            else read_collections(self._connection(), header.corrects or header.statement_id)
        )
        return [
            standing_of(facts, self._payment_method(facts), are_retries_sent=self.are_retries_sent) for facts in found
        ]

    def _payment_method(self, facts: Collection) -> str | None:
        """The payment method that would be charged. An earlier statement's financial admin may be another one."""
        users, admin = self.recipients.users, facts.financial_admin_id
        if users.get(admin) is None and not users.is_repeated(admin):
            users = read_users(self.services.platform_url, {admin})
        user = users.own(admin, facts.account_id)
        return (user.payment_method or None) if user and user.active and user.payment_customer else None

    def _pdf(self, view: StatementView, locale: str, addressee: str) -> bytes:
        if self.messages < _HELPERS_FROM:
            return statement_pdf(view, locale=locale, issuer=self.issuer, addressee=addressee)
        if not hasattr(self._local, "renderer"):
            self._local.renderer = Renderer()
            with self._opening:
                self._closing.callback(self._local.renderer.close)
        renderer: Renderer = self._local.renderer
        return renderer.pdf(view, locale, self.issuer, addressee)

    def _connection(self) -> psycopg.Connection[Any]:
        found: psycopg.Connection[Any] | None = getattr(self._local, "connection", None)
        if found is None:
            with self._opening:
                found = self._closing.enter_context(
                    connected(self.services.warehouse_url, what="warehouse", autocommit=True)
                )
            self._local.connection = found
        return found

    def close(self) -> None:
        """Cancel what is waiting and close the connections."""
        self._pool.shutdown(cancel_futures=True)
        self._keepers.shutdown(cancel_futures=True)
        self._closing.close()
