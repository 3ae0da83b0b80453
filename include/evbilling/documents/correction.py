"""The document of a correction. Pure."""

from __future__ import annotations

from evbilling.documents.formats import amount, day, money, number, percent
from evbilling.documents.heading import Issuer, statement_document
from evbilling.documents.layout import Amount, Column, Document, Section, Table, Text, external_text, own_texts, row
from evbilling.read_models.statement import CorrectedConnector, StatementView

# More lines are of no use on paper, and take half a second.
MOST_LINES = 1_000


def contents(view: StatementView, locale: str, issuer: Issuer, addressee: str) -> Document:
    """The document of a correction: what it corrects, by how much, and what changed connector by connector."""
    header = view.header
    original = header.corrects or ""
    is_credit = header.total < 0
    corrected = [("Corrects", Text(original))]
    if view.original:
        corrected.append(("Dated", Text(day(view.original.statement_date, locale))))
    return statement_document(
        header,
        "Credit note" if is_credit else "Debit note",
        locale,
        issuer,
        addressee,
        facts=corrected,
        amounts=(
            Amount("Net", money(header.net, header.currency, locale)),
            Amount(f"Tax, {percent(header.tax_rate, locale)}", money(header.tax, header.currency, locale)),
            Amount("Credit" if is_credit else "Debit", money(header.total, header.currency, locale), is_sum=True),
        ),
        sections=(_what(view, original, is_credit=is_credit), _lines(view, locale)),
    )


def _what(view: StatementView, original: str, *, is_credit: bool) -> Section:
    does = "lowers" if is_credit else "raises"
    sentences = own_texts(
        f"This correction {does} the balance of connector statement {original}, which stays as it was issued."
    )
    reason = (external_text(f"Reason: {view.reason}"),) if view.reason else ()
    return Section("What is corrected", (*sentences, *reason))


def _lines(view: StatementView, locale: str) -> Section:
    count = view.corrected_count
    changed = f"{number(count, locale)} {'connector' if count == 1 else 'connectors'}"
    if count > MOST_LINES or len(view.corrected) < count:
        return Section(
            "Connectors",
            own_texts(
                f"{changed} changed, too many to be listed here. The full list is available as CSV on the page of "
                f"statement {view.header.statement_id}."
            ),
        )
    currency = view.header.currency
    columns = (
        Column("Charger", share=1.4),
        Column("Connector", is_number=True),
        Column(f"Before, {currency}", is_number=True),
        Column(f"Now, {currency}", is_number=True),
        Column(f"Difference, {currency}", is_number=True),
        Column("Why", share=1.6),
    )
    rows = tuple(_line(line, currency, locale) for line in view.corrected)
    foot = row(changed, "", "", "", amount(view.header.net, currency, locale), "")
    return Section("Connectors", table=Table(columns, rows, foot))


def _line(line: CorrectedConnector, currency: str, locale: str) -> tuple[Text, ...]:
    before, after = ("-" if price is None else amount(price, currency, locale) for price in (line.before, line.after))
    return row(
        external_text(line.charger_id),
        str(line.connector_id),
        before,
        after,
        amount(line.difference, currency, locale),
        line.why or "",
    )
