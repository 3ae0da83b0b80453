"""The document of an account statement. Pure."""

from __future__ import annotations

from itertools import groupby

from evbilling.documents.formats import amount, day, day_of, money, number
from evbilling.documents.heading import Issuer, statement_document
from evbilling.documents.layout import Amount, Column, Document, Section, Table, Text, external_text, own_texts, row
from evbilling.languages import Words, words_of
from evbilling.read_models.statement import Header, Item, ItemTotals, StatementView


def contents(view: StatementView, locale: str, issuer: Issuer, addressee: str) -> Document:
    """The document of an account statement: from the opening balance, item by item, to the closing balance."""
    header, words = view.header, words_of(locale)
    return statement_document(
        header,
        words.gettext("Account statement"),
        locale,
        issuer,
        addressee,
        facts=(),
        amounts=(
            *(
                Amount(words.gettext(totals.label), money(totals.moves, header.currency, locale))
                for totals in view.item_totals
            ),
            Amount(words.gettext("Closing balance"), money(header.total, header.currency, locale), is_sum=True),
            *_parts(view, locale, words),
        ),
        sections=[*_settlement(view, locale, words), *_items(view, locale, words)],
    )


def _parts(view: StatementView, locale: str, words: Words) -> tuple[Amount, ...]:
    """What the closing balance is made of, if that isn't connector statements alone."""
    if not view.due_elsewhere:
        return ()
    currency = view.header.currency
    return (
        Amount(words.gettext("Of which connector statements"), money(view.due_here, currency, locale)),
        Amount(words.gettext("Of which other charges"), money(view.due_elsewhere, currency, locale)),
    )


def _settlement(view: StatementView, locale: str, words: Words) -> list[Section]:
    """What of the closing balance we don't collect."""
    if view.due_elsewhere <= 0:
        return []
    sentence = words.gettext(
        "%(amount)s of the closing balance is for other charges, which are settled separately. We don't collect them "
        "with this statement.",
        amount=money(view.due_elsewhere, view.header.currency, locale),
    )
    return [Section(words.gettext("Closing balance"), own_texts(sentence))]


def _items(view: StatementView, locale: str, words: Words) -> list[Section]:
    totals = {t.kind: t for t in view.item_totals}
    sections = [
        _kind(view.header, totals[kind], tuple(items), locale, words)
        for kind, items in groupby(view.items, key=lambda item: item.kind)
        if kind != "opening_balance"
    ]
    if len(view.items) < view.item_count:
        sentence = words.gettext(
            "The first %(shown)s of %(count)s items are listed here; the sums cover all of them. The full list is "
            "available on request.",
            shown=number(len(view.items), locale),
            count=number(view.item_count, locale),
        )
        sections.append(Section(words.gettext("More items"), own_texts(sentence)))
    return sections


def _kind(header: Header, totals: ItemTotals, items: tuple[Item, ...], locale: str, words: Words) -> Section:
    currency = header.currency
    # The column is there only if anything was settled before.
    has_settled = totals.settled != 0
    columns = (
        Column(words.gettext("Date"), share=0),
        Column(words.gettext("Description")),
        Column(words.gettext("Net, %(currency)s", currency=currency), is_number=True),
        Column(words.gettext("Tax, %(currency)s", currency=currency), is_number=True),
        Column(words.gettext("Total, %(currency)s", currency=currency), is_number=True),
        *(
            (Column(words.gettext("Settled before, %(currency)s", currency=currency), is_number=True),)
            if has_settled
            else ()
        ),
    )
    rows = tuple(
        row(
            day_of(item.occurred_at, header.time_zone, locale),
            _description(item, locale, words),
            *(amount(value, currency, locale) for value in (item.net, item.tax, item.total)),
            *((amount(item.settled, currency, locale),) if has_settled else ()),
        )
        for item in items
    )
    count = totals.item_count
    foot = row(
        words.gettext("Sum"),
        words.ngettext("%(count)s item", "%(count)s items", count, count=number(count, locale)),
        *(amount(value, currency, locale) for value in (totals.net, totals.tax, totals.total)),
        *((amount(totals.settled, currency, locale),) if has_settled else ()),
    )
    return Section(words.gettext(totals.label), table=Table(columns, rows, foot))


def _description(item: Item, locale: str, words: Words) -> Text:
    """What the item is, in the customer's language; that of a charge is the platform's."""
    statement = item.concerns or ""
    if item.event == "connector_statement":
        said = words.gettext("Connector statement %(statement)s", statement=item.item_id)
    elif item.event == "correction":
        said = words.gettext("Correction %(correction)s of %(statement)s", correction=item.item_id, statement=statement)
    elif item.event == "payment":
        said = words.gettext("Payment of %(statement)s", statement=statement)
    elif item.event == "refund":
        said = words.gettext("Refunded: payment of %(statement)s", statement=statement)
    elif item.event == "dispute":
        said = words.gettext("Payment of %(statement)s, taken back through the bank", statement=statement)
    elif item.event == "credit":
        said = words.gettext("Credit for %(statement)s", statement=statement)
    elif item.event == "write_off":
        said = words.gettext("No longer collected: %(statement)s", statement=statement)
    elif item.event == "unwritten":
        said = words.gettext("Due again: %(statement)s", statement=statement)
    elif item.event == "sent_back" and item.paid_on:
        said = words.gettext(
            "Credit of %(statement)s sent back on %(day)s, %(reference)s",
            statement=statement,
            day=day(item.paid_on, locale),
            reference=item.reference or "",
        )
    elif item.event == "settled":
        said = words.gettext("Settled since: %(charge)s", charge=item.reference or "")
    elif item.event in {"paid_outside", "undo"} and item.paid_on:
        values = {"statement": statement, "day": day(item.paid_on, locale), "reference": item.reference or ""}
        said = (
            words.gettext("Payment of %(statement)s on %(day)s, %(reference)s", **values)
            if item.event == "paid_outside"
            else words.gettext(
                "Undone, booked by mistake: payment of %(statement)s on %(day)s, %(reference)s", **values
            )
        )
    else:
        said = item.description
    return external_text(said)
