"""The document of a correction. Pure.

It says what changed, and the sentence for the customer, if there is one. Why it was issued is written for the audit and
isn't for customers.
"""

from __future__ import annotations

from evbilling.documents.formats import amount, charger_name, day, money, number, percent
from evbilling.documents.heading import Issuer, statement_document
from evbilling.documents.layout import Amount, Column, Document, Section, Table, Text, external_text, own_texts, row
from evbilling.documents.rules import rule_says
from evbilling.languages import Words, words_of
from evbilling.read_models.statement import CorrectedConnector, StatementView

# More lines are of no use on paper, and take half a second.
MOST_LINES = 1_000


def contents(view: StatementView, locale: str, issuer: Issuer, addressee: str) -> Document:
    """The document of a correction: what it corrects, by how much, and what changed connector by connector."""
    header, words = view.header, words_of(locale)
    original = header.corrects or ""
    is_credit = header.total < 0
    corrected = [(words.gettext("Corrects"), Text(original))]
    if view.original:
        corrected.append((words.gettext("Original dated"), Text(day(view.original.statement_date, locale))))
    return statement_document(
        header,
        words.gettext("Credit note") if is_credit else words.gettext("Debit note"),
        locale,
        issuer,
        addressee,
        facts=corrected,
        amounts=(
            Amount(words.gettext("Net"), money(header.net, header.currency, locale)),
            Amount(
                words.gettext("Tax, %(rate)s", rate=percent(header.tax_rate, locale)),
                money(header.tax, header.currency, locale),
            ),
            Amount(
                words.gettext("Credited to you") if is_credit else words.gettext("Charged in addition"),
                money(header.total, header.currency, locale),
                is_sum=True,
            ),
        ),
        sections=(
            _what(original, words, view.by_hand.customer_text if view.by_hand else None, is_credit=is_credit),
            *(() if view.by_hand else (_lines(view, locale, words),)),
        ),
    )


def _what(original: str, words: Words, customer_text: str | None, *, is_credit: bool) -> Section:
    sentence = (
        words.gettext(
            "This correction lowers the balance of connector statement %(statement)s, which stays as it was issued.",
            statement=original,
        )
        if is_credit
        else words.gettext(
            "This correction raises the balance of connector statement %(statement)s, which stays as it was issued.",
            statement=original,
        )
    )
    said = own_texts(sentence)
    if customer_text:
        said = (*said, external_text(customer_text))
    return Section(words.gettext("What is corrected"), said)


def _lines(view: StatementView, locale: str, words: Words) -> Section:
    count = view.corrected_count
    shown = number(count, locale)
    title = words.gettext("Connectors")
    if count > MOST_LINES or len(view.corrected) < count:
        return Section(
            title,
            own_texts(
                words.gettext(
                    "%(count)s connectors changed, too many to be listed here. The full list is available on request.",
                    count=shown,
                )
            ),
        )
    currency = view.header.currency
    columns = (
        Column(words.gettext("Charger"), share=1.4),
        Column(words.gettext("Connector"), is_number=True),
        Column(words.gettext("Before, %(currency)s", currency=currency), is_number=True),
        Column(words.gettext("Now, %(currency)s", currency=currency), is_number=True),
        Column(words.gettext("Difference, %(currency)s", currency=currency), is_number=True),
        Column(words.gettext("Why"), share=1.6),
    )
    rows = tuple(_line(line, currency, locale, words) for line in view.corrected)
    changed = words.ngettext("%(count)s connector", "%(count)s connectors", count, count=shown)
    foot = row(changed, "", "", "", amount(view.header.net, currency, locale), "")
    return Section(title, table=Table(columns, rows, foot))


def _line(line: CorrectedConnector, currency: str, locale: str, words: Words) -> tuple[Text, ...]:
    before, after = ("-" if price is None else amount(price, currency, locale) for price in (line.before, line.after))
    return row(
        external_text(charger_name(line.charger_id, line.name)),
        str(line.connector_id),
        before,
        after,
        amount(line.difference, currency, locale),
        _why(line, words),
    )


def _why(line: CorrectedConnector, words: Words) -> str:
    if line.rule_id:
        return rule_says(line.rule_id, words)
    if line.after is None:
        return words.gettext("No longer one of your connectors")
    if line.before is None:
        return words.gettext("Billed now")
    return words.gettext("Fee changed")
