"""The document of an account statement. Pure."""

from __future__ import annotations

from itertools import groupby

from evbilling.documents.formats import amount, day_of, money, number
from evbilling.documents.heading import Issuer, statement_document
from evbilling.documents.layout import Amount, Column, Document, Section, Table, external_text, own_texts, row
from evbilling.read_models.statement import Item, ItemTotals, StatementView


def contents(view: StatementView, locale: str, issuer: Issuer, addressee: str) -> Document:
    """The document of an account statement: from the opening balance, item by item, to the closing balance."""
    header = view.header
    return statement_document(
        header,
        "Account statement",
        locale,
        issuer,
        addressee,
        facts=(),
        amounts=(
            *(Amount(totals.label, money(totals.moves, header.currency, locale)) for totals in view.item_totals),
            Amount("Closing balance", money(header.total, header.currency, locale), is_sum=True),
        ),
        sections=_items(view, locale),
    )


def _items(view: StatementView, locale: str) -> list[Section]:
    totals = {t.kind: t for t in view.item_totals}
    sections = [
        _kind(view, totals[kind], tuple(items), locale)
        for kind, items in groupby(view.items, key=lambda item: item.kind)
        if kind != "opening_balance"
    ]
    if len(view.items) < view.item_count:
        shown = f"{number(len(view.items), locale)} of {number(view.item_count, locale)}"
        sentence = (
            f"The first {shown} items are listed here; the sums cover all. The full list is available as CSV on the "
            f"page of statement {view.header.statement_id}."
        )
        sections.append(Section("More items", own_texts(sentence)))
    return sections


def _kind(view: StatementView, totals: ItemTotals, items: tuple[Item, ...], locale: str) -> Section:
    header, currency = view.header, view.header.currency
    # The column is there only if anything was settled before.
    has_settled = totals.settled != 0
    columns = (
        Column("Date", share=0.75),
        Column("Description", share=2),
        Column(f"Net, {currency}", is_number=True),
        Column(f"Tax, {currency}", is_number=True),
        Column(f"Total, {currency}", is_number=True),
        *((Column(f"Settled before, {currency}", is_number=True),) if has_settled else ()),
    )
    rows = tuple(
        row(
            day_of(item.occurred_at, header.time_zone, locale),
            external_text(item.description),
            *(amount(value, currency, locale) for value in (item.net, item.tax, item.total)),
            *((amount(item.settled, currency, locale),) if has_settled else ()),
        )
        for item in items
    )
    foot = row(
        "Sum",
        f"{number(totals.item_count, locale)} {'item' if totals.item_count == 1 else 'items'}",
        *(amount(value, currency, locale) for value in (totals.net, totals.tax, totals.total)),
        *((amount(totals.settled, currency, locale),) if has_settled else ()),
    )
    return Section(totals.label, table=Table(columns, rows, foot))
