"""The document of a connector statement. Pure."""

from __future__ import annotations

from functools import partial

from evbilling.documents.formats import amount, day, instant, money, number, percent
from evbilling.documents.heading import Issuer, statement_document
from evbilling.documents.layout import Amount, Column, Document, Section, Table, Text, external_text, own_texts, row
from evbilling.read_models.statement import MOST_COUNTED, StatementView

# More lines are of no use on paper, and take half a second.
MOST_CHARGERS = 1_000

_PAID_BY = {"gateway": "Charged to the stored payment method", "outside": "Paid by other means"}


def contents(view: StatementView, locale: str, issuer: Issuer, addressee: str) -> Document:
    """The document of a connector statement: amounts, chargers, what isn't billed and why, how it was collected."""
    header = view.header
    counted = header.count_instant and instant(header.count_instant, header.time_zone, locale)
    return statement_document(
        header,
        "Connector statement",
        locale,
        issuer,
        addressee,
        facts=(("Counted", Text(counted or "")),),
        amounts=_amounts(view, locale),
        sections=[
            section
            for section in (
                _prices(view, locale),
                _collection(view, locale),
                _corrections(view, locale),
                _excluded(view, locale),
                _chargers(view, locale),
            )
            if section
        ],
    )


def _amounts(view: StatementView, locale: str) -> tuple[Amount, ...]:
    header = view.header
    shown = partial(money, currency=header.currency, locale=locale)
    count = header.connector_count or 0
    connectors = f"{number(count, locale)} {'connector' if count == 1 else 'connectors'}"
    return (
        Amount(f"Net, {connectors}", shown(header.net)),
        Amount(f"Tax, {percent(header.tax_rate, locale)}", shown(header.tax)),
        Amount("Total", shown(header.total), is_sum=True),
        *((Amount("Corrections", shown(view.corrected_total)),) if view.corrections else ()),
        Amount("Paid", shown(header.paid or header.total * 0)),
        Amount("Balance due", shown(header.balance or header.total * 0), is_sum=True),
    )


def _prices(view: StatementView, locale: str) -> Section:
    header, terms = view.header, view.header.terms
    price = partial(amount, currency=header.currency, locale=locale)
    rows = []
    if terms:
        for power, count, fee in (("AC", header.ac_count, terms.fee), ("DC", header.dc_count, terms.dc_fee)):
            if count:
                rows.append(row(f"{power} connectors", number(count, locale), price(fee), price(count * fee)))
    foot = row("Net", number(header.connector_count or 0, locale), "", price(header.net))
    columns = (
        Column("Monthly fee"),
        Column("Connectors", is_number=True),
        Column(f"Fee each, {header.currency}", is_number=True),
        Column(f"Amount, {header.currency}", is_number=True),
    )
    return Section("What is billed", table=Table(columns, tuple(rows), foot))


def _collection(view: StatementView, locale: str) -> Section:
    """How the statement was collected, or why it wasn't."""
    header = view.header
    sentences = [f"Status: {header.status}."]
    # What the gateway refused for a reason of ours says nothing to the customer.
    attempts = [attempt for attempt in view.attempts if attempt.outcome != "refused"]
    last = attempts[-1] if attempts else None
    if last and last.outcome != "succeeded":
        tried = day(last.requested_at.date(), locale)
        sentences.append(f"Last attempt to charge it, on {tried}: {last.says}")
    if view.plan:
        sentences.append(view.plan.says)
    if not view.payments and not attempts:
        sentences.append("Nothing has been charged yet.")
    table = None
    if view.payments:
        columns = (
            Column("Paid on", share=0.8),
            Column("How", share=1.6),
            Column("Reference", share=1.6),
            Column(f"Amount, {header.currency}", is_number=True),
        )
        table = Table(
            columns,
            tuple(
                row(
                    day(p.paid_on, locale),
                    "Paid back"
                    if p.is_refund
                    else "Marked as paid by mistake, undone"
                    if p.is_undo
                    else _PAID_BY.get(p.paid_by, p.paid_by.replace("_", " ").capitalize()),
                    external_text((p.reverses_payment_id if p.is_refund else p.reference) or p.payment_id),
                    amount(p.amount, header.currency, locale),
                )
                for p in view.payments
            ),
            row("Paid", "", "", amount(header.paid or header.total * 0, header.currency, locale)),
        )
    return Section("Payment", own_texts(*sentences), table)


def _corrections(view: StatementView, locale: str) -> Section | None:
    if not view.corrections:
        return None
    currency = view.header.currency
    price = partial(amount, currency=currency, locale=locale)
    columns = (
        Column("Correction"),
        Column("Date", share=0.7),
        Column("Reason", share=1.6),
        Column(f"Net, {currency}", is_number=True),
        Column(f"Tax, {currency}", is_number=True),
        Column(f"Total, {currency}", is_number=True),
    )
    rows = tuple(
        row(
            c.statement_id,
            day(c.statement_date, locale),
            external_text(c.reason or ""),
            *map(price, (c.net, c.tax, c.total)),
        )
        for c in view.corrections
    )
    return Section("Corrections", own_texts("Each correction is a document of its own."), Table(columns, rows))


def _excluded(view: StatementView, locale: str) -> Section | None:
    if not view.excluded:
        return None
    columns = (
        Column("Rule", share=0.8),
        Column("Why", share=2.2),
        Column("Connectors", is_number=True),
    )
    rows = tuple(row(e.rule_id, e.says, number(e.connector_count, locale)) for e in view.excluded)
    foot = row("Not billed", "", number(view.excluded_count, locale))
    return Section("Not billed", table=Table(columns, rows, foot))


def _chargers(view: StatementView, locale: str) -> Section:
    header = view.header
    if view.is_archived:
        return Section("Chargers", own_texts("The lines of this period are archived; the operator can provide them."))
    if view.charger_count > MOST_CHARGERS or not view.has_all_chargers:
        more = view.has_more_chargers_than_counted
        listed = f"More than {number(MOST_COUNTED, locale)}" if more else number(view.charger_count, locale)
        return Section(
            "Chargers",
            own_texts(
                f"{listed} chargers are billed, too many to be listed here. The full list, connector by connector, is "
                f"available as CSV on the page of statement {header.statement_id}."
            ),
        )
    whole, price = partial(number, locale=locale), partial(amount, currency=header.currency, locale=locale)
    columns = (
        Column("Charger"),
        Column("AC connectors", is_number=True),
        Column("DC connectors", is_number=True),
        Column(f"Amount, {header.currency}", is_number=True),
    )
    rows = tuple(
        row(external_text(c.charger_id), whole(c.ac_count), whole(c.dc_count), price(c.subtotal)) for c in view.chargers
    )
    chargers = f"{whole(view.charger_count)} {'charger' if view.charger_count == 1 else 'chargers'}"
    foot = row(chargers, whole(header.ac_count or 0), whole(header.dc_count or 0), price(header.net))
    return Section("Chargers", table=Table(columns, rows, foot))
