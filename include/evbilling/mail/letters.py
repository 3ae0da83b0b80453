"""Letters about statements: subject, plain text and HTML. Pure but for the templates."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from evbilling.documents import Issuer, day, day_of, money, month, number
from evbilling.payments.retries import explain
from evbilling.read_models.statement import StatementView

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
_NOT_CHARGED = "The charge is made to your stored payment method; there is nothing to do."


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


def one_line(text: str, max_length: int = _MAX_NAME) -> str:
    """`text` as a header can take it: one line, no control characters, no direction marks, not too long."""
    kept = "".join(
        " " if unicodedata.category(char) in {"Cc", "Zl", "Zp"} else char for char in text if char not in _BIDI_CONTROLS
    )
    line = " ".join(kept.split())
    return line if len(line) <= max_length else f"{line[: max_length - 1].rstrip()}…"


def write_letter(
    kind: str,
    view: StatementView,
    locale: str,
    issuer: Issuer,
    addressee: str | None = None,
    attempt_no: int | None = None,
) -> Letter:
    """The letter of `kind` about a statement, with amounts and days as `locale` writes them.

    `attempt_no` is the attempt that was declined, for the notice of a failed charge.
    """
    content = _CONTENTS[kind](view, locale, attempt_no)
    account = view.header.account_name or view.header.account_id
    values = {"letter": content, "account": account, "addressee": addressee, "issuer": issuer}
    templates = _templates()
    return Letter(
        subject=f"{content.title}, {one_line(account)}",
        text=templates.get_template("letter.txt").render(values),
        html=templates.get_template("letter.html").render(values),
    )


def _connector(view: StatementView, locale: str, _attempt_no: int | None) -> Content:
    header = view.header
    amount = partial(money, currency=header.currency, locale=locale)
    count = header.connector_count or 0
    period = month(header.period, locale)
    return Content(
        title=f"Connector statement {header.statement_id} for {period}",
        lead=f"This is your connector statement for {period}. It is attached as a PDF.",
        rows=(
            Row("Statement", header.statement_id),
            Row("Date", day(header.statement_date, locale)),
            Row("Connectors billed", number(count, locale)),
            Row("Net", amount(header.net)),
            Row("Tax", amount(header.tax)),
            Row("Total", amount(header.total), is_sum=True),
        ),
        notes=(_NOT_CHARGED,) if header.balance is None or header.balance > 0 else ("It is paid; thank you.",),
    )


def _account(view: StatementView, locale: str, _attempt_no: int | None) -> Content:
    header = view.header
    amount = partial(money, currency=header.currency, locale=locale)
    period = month(header.period, locale)
    owed = header.total
    return Content(
        title=f"Account statement {header.statement_id} for {period}",
        lead=f"This is your account statement for {period}: all charges and payments. It is attached as a PDF.",
        rows=(
            Row("Statement", header.statement_id),
            Row("Date", day(header.statement_date, locale)),
            *(Row(totals.label, amount(totals.moves)) for totals in view.item_totals),
            Row("Closing balance", amount(owed), is_sum=True),
        ),
        notes=(
            "Nothing is due."
            if owed == 0
            else "The balance is in your favour."
            if owed < 0
            else "The balance is collected through your stored payment method, statement by statement.",
        ),
    )


def _correction(view: StatementView, locale: str, _attempt_no: int | None) -> Content:
    header = view.header
    amount = partial(money, currency=header.currency, locale=locale)
    note = "credit note" if header.total < 0 else "debit note"
    original = view.original.statement_id if view.original else header.corrects or ""
    return Content(
        title=f"Correction {header.statement_id} of {original}",
        lead=f"Your connector statement {original} for {month(header.period, locale)} was corrected by a {note}. "
        "It is attached as a PDF, with each connector that changed.",
        rows=(
            Row("Correction", header.statement_id),
            Row("Date", day(header.statement_date, locale)),
            Row("Net", amount(header.net)),
            Row("Tax", amount(header.tax)),
            Row("Total", amount(header.total), is_sum=True),
        ),
        notes=(f"The balance of {original} changes by this amount; your next account statement lists it.",),
    )


def _failed_charge(view: StatementView, locale: str, attempt_no: int | None) -> Content:
    header = view.header
    attempt = next(attempt for attempt in view.attempts if attempt.attempt_no == attempt_no)
    tried_at = attempt.settled_at or attempt.requested_at
    notes = [explain(attempt.decline_code)]
    if view.plan and view.plan.planned_at:
        notes.append(f"We plan to try again on {day_of(view.plan.planned_at, header.time_zone, locale)}.")
    return Content(
        title=f"Payment of statement {header.statement_id} failed",
        lead=f"We could not collect your connector statement {header.statement_id} for {month(header.period, locale)}.",
        rows=(
            Row("Statement", header.statement_id),
            Row("Attempted on", day_of(tried_at, header.time_zone, locale)),
            Row("Amount", money(attempt.amount, header.currency, locale)),
            Row("Still due", money(header.balance or header.total * 0, header.currency, locale), is_sum=True),
        ),
        notes=tuple(notes),
        is_bad_news=True,
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
    return environment


def _as_name(text: str) -> str:
    """A name in plain text: on one line, isolated so that it can't change the direction of the text around it."""
    return f"\u2068{one_line(text, 200)}\u2069"
