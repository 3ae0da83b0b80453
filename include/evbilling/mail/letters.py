"""Letters about statements in the customer's language: subject, plain text and HTML. Pure but for the templates.

What becomes of a balance is said by `evbilling.read_models.statement.collection`, from the facts as they are now.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from evbilling.documents import Issuer, day, day_of, money, month, number, percent
from evbilling.languages import Words, words_of
from evbilling.mail.cases import Say, message_of
from evbilling.payments.retries import NO_PAYMENT_METHOD, decline_of
from evbilling.read_models.statement import (
    ASKING,
    CLOSED,
    NOT_COLLECTED,
    Situation,
    Standing,
    StatementView,
    sentences,
)

if TYPE_CHECKING:
    import jinja2

CONNECTOR_STATEMENT, ACCOUNT_STATEMENT = "connector_statement", "account_statement"
CORRECTION, FAILED_CHARGE = "correction", "failed_charge"
KINDS = (CONNECTOR_STATEMENT, ACCOUNT_STATEMENT, CORRECTION, FAILED_CHARGE)
KIND_LABELS = {
    CONNECTOR_STATEMENT: "Connector statement",
    ACCOUNT_STATEMENT: "Account statement",
    CORRECTION: "Correction",
    FAILED_CHARGE: "Notice of a failed charge",
}

_MAX_NAME = 60
# These change the direction of the text around them, and no name needs them.
_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_ID = re.compile(r"\b([ASC]-\d{6}-\d{6})\b")
# More statements than that aren't named in one sentence.
_MOST_NAMED = 6


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table of amounts."""

    label: str
    value: str
    is_sum: bool = False


@dataclass(frozen=True, slots=True)
class Content:
    """What a letter of one kind says."""

    title: str
    lead: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    is_bad_news: bool = False


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter as rendered."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Occasion:
    """What a letter is written from besides its statement: the language, and how the collection stands.

    `standings` has the connector statement itself, that which a correction corrects, or those of an account statement
    on which something is due. `attempt_no` is the attempt that was declined, for the notice of a failed charge.
    """

    locale: str
    standings: Sequence[Standing]
    attempt_no: int | None = None

    @property
    def words(self) -> Words:
        """The customer's."""
        return words_of(self.locale)

    @property
    def asks_for_something(self) -> bool:
        """True if the customer has to act for one of the statements."""
        return any(standing.situation in ASKING for standing in self.standings)

    def money(self, amount: Decimal, currency: str) -> str:
        """As the customer writes it."""
        return money(amount, currency, self.locale)

    def notes(self, standing: Standing) -> list[str]:
        """What becomes of a connector statement's balance, sentence by sentence."""
        facts = standing.facts
        return sentences(
            standing,
            self.words,
            lambda amount: self.money(amount, facts.currency),
            lambda at: day_of(at, facts.time_zone, self.locale),
        )


def one_line(text: str, max_length: int = _MAX_NAME) -> str:
    """`text` as a header can take it: one line, no control characters, no direction marks, not too long."""
    kept = "".join(
        " " if unicodedata.category(char) in {"Cc", "Zl", "Zp"} else char for char in text if char not in _BIDI_CONTROLS
    )
    line = " ".join(kept.split())
    return line if len(line) <= max_length else f"{line[: max_length - 1].rstrip()}…"


def write_letter(
    kind: str, view: StatementView, occasion: Occasion, issuer: Issuer, addressee: str | None = None
) -> Letter:
    """The letter of `kind` about a statement, in the language of the occasion's locale."""
    words = occasion.words
    content = _CONTENTS[kind](view, occasion)
    if occasion.asks_for_something:
        content = replace(content, notes=(*content.notes, _help(words, issuer)))
    account = view.header.account_name or view.header.account_id
    values = {
        "letter": content,
        "language": words.language,
        "greeting": words.gettext("Dear %(name)s,", name=_as_name(addressee))
        if addressee
        else words.gettext("Dear Sir or Madam,"),
        "account_label": words.gettext("Account"),
        "account": account,
        "closing": words.gettext("Kind regards"),
        "automatic": words.gettext("This message was sent automatically."),
        "questions": words.gettext("Questions? %(contact)s", contact=_as_name(issuer.contact))
        if issuer.contact
        else "",
        "tax_id": words.gettext("Tax id %(tax_id)s", tax_id=_as_name(issuer.tax_id)) if issuer.tax_id else "",
        "issuer": issuer,
    }
    templates = _templates()
    return Letter(
        subject=f"{content.title}, {one_line(account)}",
        text=templates.get_template("letter.txt").render(values),
        html=templates.get_template("letter.html").render(values),
    )


def _help(words: Words, issuer: Issuer) -> str:
    """Where the customer finds help: nobody is asked for something without a way to ask back."""
    if issuer.contact:
        contact = _as_name(issuer.contact)
        return words.gettext(message_of(Say.CONTACT), contact=contact)
    return words.gettext(message_of(Say.REPLY))


def _connector(view: StatementView, occasion: Occasion) -> Content:
    header, words, locale = view.header, occasion.words, occasion.locale
    period = month(header.period, locale)
    return Content(
        title=words.gettext(
            "Connector statement %(statement)s for %(period)s", statement=header.statement_id, period=period
        ),
        lead=words.gettext(message_of(Say.CONNECTOR_STATEMENT), period=period),
        rows=(
            Row(words.gettext("Number"), header.statement_id),
            Row(words.gettext("Date"), day(header.statement_date, locale)),
            Row(words.gettext("Connectors billed"), number(header.connector_count or 0, locale)),
            *_amounts(view, occasion),
        ),
        notes=tuple(occasion.notes(occasion.standings[0])),
    )


def _account(view: StatementView, occasion: Occasion) -> Content:
    header, words, locale = view.header, occasion.words, occasion.locale
    period = month(header.period, locale)
    here, elsewhere = view.due_here, view.due_elsewhere
    parts = (
        Row(words.gettext("Of which connector statements"), occasion.money(here, header.currency)),
        Row(words.gettext("Of which other charges"), occasion.money(elsewhere, header.currency)),
    )
    return Content(
        title=words.gettext(
            "Account statement %(statement)s for %(period)s", statement=header.statement_id, period=period
        ),
        lead=words.gettext(
            message_of(Say.ACCOUNT_STATEMENT),
            period=period,
        ),
        rows=(
            Row(words.gettext("Number"), header.statement_id),
            Row(words.gettext("Date"), day(header.statement_date, locale)),
            *(
                Row(words.gettext(totals.label), occasion.money(totals.moves, header.currency))
                for totals in view.item_totals
            ),
            Row(words.gettext("Closing balance"), occasion.money(header.total, header.currency), is_sum=True),
            *(parts if here and elsewhere else ()),
        ),
        notes=tuple(_of_the_closing_balance(view, occasion)),
    )


def _of_the_closing_balance(view: StatementView, occasion: Occasion) -> Iterator[str]:
    """What becomes of the closing balance: of what we collect, statement by statement, and of what we don't."""
    words, currency = occasion.words, view.header.currency
    here, elsewhere = view.due_here, view.due_elsewhere
    if not (here or elsewhere or occasion.standings):
        yield words.gettext(message_of(Say.NOTHING_LEFT))
    for statements in _alike(occasion):
        facts = [standing.facts for standing in statements]
        ids = [one.statement_id for one in facts]
        together = replace(
            facts[0], balance=_total(one.balance for one in facts), paid=_total(one.paid for one in facts)
        )
        yield words.gettext(
            message_of(Say.OF_STATEMENTS),
            statements=", ".join(ids[:_MOST_NAMED]) + (", …" if len(ids) > _MOST_NAMED else ""),
            note=" ".join(occasion.notes(replace(statements[0], facts=together))),
        )
    if here > 0 and not occasion.standings:
        yield words.gettext(
            message_of(Say.SETTLED_SINCE),
            amount=occasion.money(here, currency),
        )
    if here < 0:
        yield words.gettext(message_of(Say.CREDIT_HERE), amount=occasion.money(-here, currency))
    if elsewhere > 0:
        yield words.gettext(
            message_of(Say.ELSEWHERE),
            amount=occasion.money(elsewhere, currency),
        )
    if elsewhere < 0:
        yield words.gettext(message_of(Say.CREDIT_ELSEWHERE), amount=occasion.money(-elsewhere, currency))


def _alike(occasion: Occasion) -> list[list[Standing]]:
    """The statements that are due, those together of which the same is to be said but for amounts."""
    groups: dict[tuple[str, ...], list[Standing]] = defaultdict(list)
    for standing in occasion.standings:
        facts = standing.facts
        of_one = replace(facts, balance=Decimal(1), paid=Decimal(facts.paid > 0))
        groups[tuple(occasion.notes(replace(standing, facts=of_one)))].append(standing)
    return list(groups.values())


def _total(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))


def _correction(view: StatementView, occasion: Occasion) -> Content:
    header, words, locale = view.header, occasion.words, occasion.locale
    original, (standing,) = header.corrects or "", occasion.standings
    facts = standing.facts
    values = {"statement": original, "period": month(header.period, locale)}
    listed = view.listed_on[0].statement_id if view.listed_on else None
    is_credit, by_hand = header.total < 0, view.by_hand
    lowers, raises = (Say.CREDITED, Say.DEBITED) if by_hand else (Say.LOWERED, Say.RAISED)
    return Content(
        title=words.gettext(
            "Correction %(correction)s of %(statement)s", correction=header.statement_id, statement=original
        ),
        lead=words.gettext(message_of(lowers if is_credit else raises), **values),
        rows=(
            Row(words.gettext("Number"), header.statement_id),
            Row(words.gettext("Date"), day(header.statement_date, locale)),
            *_amounts(view, occasion),
            Row(
                words.gettext("Balance of %(statement)s", statement=original),
                occasion.money(facts.balance, facts.currency),
            ),
        ),
        notes=(
            *((by_hand.customer_text,) if by_hand and by_hand.customer_text else ()),
            *occasion.notes(standing),
            words.gettext(message_of(Say.LISTED), statement=listed)
            if listed
            else words.gettext(message_of(Say.TO_BE_LISTED)),
        ),
    )


def _failed_charge(view: StatementView, occasion: Occasion) -> Content:
    header, words, locale = view.header, occasion.words, occasion.locale
    (standing,) = occasion.standings
    facts = standing.facts
    attempt = next(attempt for attempt in view.attempts if attempt.attempt_no == occasion.attempt_no)
    values = {"statement": header.statement_id, "period": month(header.period, locale)}
    tried_at = attempt.settled_at or attempt.requested_at
    # What was declined is said of this attempt, all else as it is now; the lead says already that it failed.
    what = words.gettext(decline_of(attempt.decline_code).what)
    failed = words.gettext(NOT_COLLECTED, amount=occasion.money(facts.balance, facts.currency))
    is_repeated = standing.situation is Situation.NO_METHOD and attempt.decline_code == NO_PAYMENT_METHOD
    notes = [note for note in occasion.notes(standing) if note not in {what, failed}]
    return Content(
        title=words.gettext("Payment of statement %(statement)s failed", **values),
        lead=words.gettext(message_of(Say.NOTICE), **values),
        rows=(
            Row(words.gettext("Number"), header.statement_id),
            Row(words.gettext("Attempted on"), day_of(tried_at, header.time_zone, locale)),
            Row(words.gettext("Amount"), occasion.money(attempt.amount, header.currency)),
            Row(
                words.gettext("Balance due"),
                occasion.money(max(facts.balance, Decimal(0)), facts.currency),
                is_sum=True,
            ),
        ),
        notes=(*(() if is_repeated else (what,)), *notes),
        is_bad_news=standing.situation not in CLOSED,
    )


def _amounts(view: StatementView, occasion: Occasion) -> tuple[Row, ...]:
    header, words = view.header, occasion.words
    return (
        Row(words.gettext("Net"), occasion.money(header.net, header.currency)),
        Row(
            words.gettext("Tax, %(rate)s", rate=percent(header.tax_rate, occasion.locale)),
            occasion.money(header.tax, header.currency),
        ),
        Row(words.gettext("Total"), occasion.money(header.total, header.currency), is_sum=True),
    )


_CONTENTS = {
    CONNECTOR_STATEMENT: _connector,
    ACCOUNT_STATEMENT: _account,
    CORRECTION: _correction,
    FAILED_CHARGE: _failed_charge,
}


@lru_cache(maxsize=1)
def _templates() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        # Plain text isn't escaped.
        autoescape=jinja2.select_autoescape(["html"], default_for_string=True),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["as_name"] = _as_name
    # Texts and statement ids in turn: no line breaks within an id.
    environment.filters["by_ids"] = _ID.split
    return environment


def _as_name(text: str) -> str:
    """A name in plain text: on one line, isolated so that it can't change the direction of the text around it."""
    return f"\u2068{one_line(text, 200)}\u2069"
