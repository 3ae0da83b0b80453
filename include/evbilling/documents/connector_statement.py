"""The document of a connector statement. Pure."""

from __future__ import annotations

from decimal import Decimal
from functools import partial

from evbilling.documents.formats import amount, charger_name, day, day_of, instant, money, number, percent
from evbilling.documents.heading import Issuer, statement_document
from evbilling.documents.layout import Amount, Column, Document, Section, Table, Text, external_text, own_texts, row
from evbilling.documents.rules import cause_says, rule_says
from evbilling.languages import Words, words_of
from evbilling.payments.retries import decline_of
from evbilling.read_models.statement import MOST_COUNTED, Payment, StatementView

# More lines are of no use on paper, and take half a second.
MOST_CHARGERS = 1_000


def contents(view: StatementView, locale: str, issuer: Issuer, addressee: str) -> Document:
    """The document of a connector statement: amounts, chargers, what isn't billed and why, how it was collected."""
    header, words = view.header, words_of(locale)
    counted = header.count_instant and instant(header.count_instant, header.time_zone, locale)
    return statement_document(
        header,
        words.gettext("Connector statement"),
        locale,
        issuer,
        addressee,
        facts=((words.gettext("Counted on"), Text(counted or "")),),
        amounts=_amounts(view, locale, words),
        sections=[
            section
            for section in (
                _prices(view, locale, words),
                _collection(view, locale, words),
                _corrections(view, locale, words),
                _change(view, locale, words),
                _changed_connectors(view, words),
                _sites(view, locale, words),
                _excluded(view, locale, words),
                _chargers(view, locale, words),
            )
            if section
        ],
    )


def _amounts(view: StatementView, locale: str, words: Words) -> tuple[Amount, ...]:
    header = view.header
    shown = partial(money, currency=header.currency, locale=locale)
    count = header.connector_count or 0
    return (
        Amount(
            words.ngettext("Net, %(count)s connector", "Net, %(count)s connectors", count, count=number(count, locale)),
            shown(header.net),
        ),
        Amount(words.gettext("Tax, %(rate)s", rate=percent(header.tax_rate, locale)), shown(header.tax)),
        Amount(words.gettext("Total"), shown(header.total), is_sum=True),
        *((Amount(words.gettext("Corrections"), shown(view.corrected_total)),) if view.corrections else ()),
        Amount(words.gettext("Paid"), shown(header.paid or header.total * 0)),
        *((Amount(words.gettext("No longer collected"), shown(view.written_off)),) if view.written_off else ()),
        Amount(words.gettext("Balance due"), shown(header.balance or header.total * 0), is_sum=True),
    )


def _prices(view: StatementView, locale: str, words: Words) -> Section:
    header, terms = view.header, view.header.terms
    price = partial(amount, currency=header.currency, locale=locale)
    kinds = (
        (
            (words.gettext("AC connectors"), header.ac_count, terms.fee),
            (words.gettext("DC connectors"), header.dc_count, terms.dc_fee),
        )
        if terms
        else ()
    )
    rows = tuple(
        row(kind, number(count, locale), price(fee), price(count * fee)) for kind, count, fee in kinds if count
    )
    foot = row(words.gettext("Net"), number(header.connector_count or 0, locale), "", price(header.net))
    columns = (
        Column(words.gettext("Monthly fee")),
        Column(words.gettext("Connectors"), is_number=True),
        Column(words.gettext("Fee each, %(currency)s", currency=header.currency), is_number=True),
        Column(words.gettext("Amount, %(currency)s", currency=header.currency), is_number=True),
    )
    return Section(words.gettext("What is billed"), table=Table(columns, rows, foot))


def _collection(view: StatementView, locale: str, words: Words) -> Section:
    """How the statement was collected, or why it wasn't.

    When it is tried again is for letters, which are read when they are sent: a document is kept.
    """
    header = view.header
    sentences = [words.gettext("Status: %(status)s.", status=_status(header.status, words))]
    # What the gateway refused for a reason of ours says nothing to the customer.
    attempts = [attempt for attempt in view.attempts if attempt.outcome != "refused"]
    last = attempts[-1] if attempts else None
    if last and last.outcome != "succeeded" and (header.balance or 0) > 0:
        tried = day_of(last.requested_at, header.time_zone, locale)
        if last.outcome == "declined":
            decline = decline_of(last.decline_code)
            sentences.append(words.gettext("We tried to charge it on %(day)s.", day=tried))
            sentences += [words.gettext(said) for said in (decline.what, decline.advice) if said]
        else:
            sentences.append(
                words.gettext("The charge of %(day)s is under way; its outcome isn't known yet.", day=tried)
            )
    if not view.payments and not attempts:
        sentences.append(words.gettext("Nothing has been charged yet."))
    table = None
    if view.payments:
        columns = (
            Column(words.gettext("Paid on"), share=0),
            Column(words.gettext("How")),
            Column(words.gettext("Reference"), share=0.8),
            Column(words.gettext("Amount, %(currency)s", currency=header.currency), is_number=True),
        )
        table = Table(
            columns,
            tuple(
                row(
                    day(p.paid_on, locale),
                    _way(p, words),
                    external_text((p.reverses_payment_id if p.is_refund else p.reference) or p.payment_id),
                    amount(p.amount, header.currency, locale),
                )
                for p in view.payments
            ),
            row(words.gettext("Paid"), "", "", amount(header.paid or header.total * 0, header.currency, locale)),
        )
    return Section(words.gettext("Payment"), own_texts(*sentences), table)


def _status(status: str, words: Words) -> str:
    """Finance's status in the customer's words."""
    return {
        "Issued": words.pgettext("status", "Not paid yet"),
        "Paid": words.pgettext("status", "Paid"),
        "Partly paid": words.pgettext("status", "Partly paid"),
        "Paid manually": words.pgettext("status", "Paid by other means"),
        "Billing failure": words.pgettext("status", "Payment failed"),
        "Billing failure (resolved)": words.pgettext("status", "Paid, after a failed charge"),
    }[status]


def _way(payment: Payment, words: Words) -> str:
    if payment.is_refund or payment.is_sent_back:
        return words.gettext("Paid back")
    if payment.is_undo:
        return words.gettext("Booked by mistake, undone")
    if payment.paid_by == "gateway":
        return words.gettext("Charged to the stored payment method")
    return words.gettext("Paid by other means")


def _corrections(view: StatementView, locale: str, words: Words) -> Section | None:
    if not view.corrections:
        return None
    currency = view.header.currency
    price = partial(amount, currency=currency, locale=locale)
    columns = (
        Column(words.gettext("Correction")),
        Column(words.gettext("Date"), share=0),
        Column(words.gettext("Connectors"), is_number=True),
        Column(words.gettext("Net, %(currency)s", currency=currency), is_number=True),
        Column(words.gettext("Tax, %(currency)s", currency=currency), is_number=True),
        Column(words.gettext("Total, %(currency)s", currency=currency), is_number=True),
    )
    rows = tuple(
        row(
            c.statement_id,
            day(c.statement_date, locale),
            number(c.line_count, locale),
            *map(price, (c.net, c.tax, c.total)),
        )
        for c in view.corrections
    )
    sentence = words.gettext("Each correction is a document of its own, with the connectors that changed.")
    return Section(words.gettext("Corrections"), own_texts(sentence), Table(columns, rows))


def _change(view: StatementView, locale: str, words: Words) -> Section | None:
    """Why the statement differs from that of the last month billed before, connector by connector and by fee."""
    change, header = view.change, view.header
    if change is None or change.statement_before is None or not change.causes:
        return None
    price = partial(money, currency=header.currency, locale=locale)
    sentences = [
        words.ngettext(
            "Statement %(statement)s was for %(count)s connector and %(total)s.",
            "Statement %(statement)s was for %(count)s connectors and %(total)s.",
            change.connectors_before,
            statement=change.statement_before,
            count=number(change.connectors_before, locale),
            total=price(change.total_before),
        )
    ]
    terms = header.terms
    if terms and change.fee_before is not None and change.fee_before != terms.fee:
        fees = {"before": price(change.fee_before), "now": price(terms.fee)}
        sentences.append(words.gettext("The monthly fee changed from %(before)s to %(now)s.", **fees))
    if terms and change.dc_fee_before is not None and change.dc_fee_before not in {terms.dc_fee, change.fee_before}:
        fees = {"before": price(change.dc_fee_before), "now": price(terms.dc_fee)}
        sentences.append(words.gettext("The monthly fee for DC changed from %(before)s to %(now)s.", **fees))
    columns = (
        Column(words.gettext("Why")),
        Column(words.gettext("Connectors"), is_number=True),
        Column(words.gettext("Amount, %(currency)s", currency=header.currency), is_number=True),
    )
    rows = tuple(
        row(cause_says(cause.cause, words), number(cause.connectors, locale), _price(cause.amount, view, locale))
        for cause in change.causes
    )
    foot = row(
        words.gettext("Difference"), number(change.connectors_change, locale), _price(change.amount, view, locale)
    )
    return Section(words.gettext("What has changed"), own_texts(*sentences), Table(columns, rows, foot))


def _changed_connectors(view: StatementView, words: Words) -> Section | None:
    if view.change is None or not view.change.connectors:
        return None
    columns = (
        Column(words.gettext("Charger"), share=1.4),
        Column(words.gettext("Site")),
        Column(words.gettext("Connector"), is_number=True),
        Column(words.gettext("Why"), share=1.6),
    )
    rows = tuple(
        row(
            external_text(charger_name(one.charger_id, one.name)),
            external_text(one.site or ""),
            str(one.connector_id),
            words.gettext(one.says),
        )
        for one in (*view.change.new, *view.change.gone)
    )
    some = words.gettext("There are more of them; the full list is available on request.")
    return Section(
        words.gettext("New connectors, and connectors no longer billed"),
        own_texts(some) if view.change.has_more else (),
        Table(columns, rows),
    )


def _sites(view: StatementView, locale: str, words: Words) -> Section | None:
    if len(view.sites) < 2:
        return None
    columns = (
        Column(words.gettext("Site")),
        Column(words.gettext("AC connectors"), is_number=True),
        Column(words.gettext("DC connectors"), is_number=True),
        Column(words.gettext("Amount, %(currency)s", currency=view.header.currency), is_number=True),
    )
    shown, others = view.sites[:MOST_CHARGERS], view.sites[MOST_CHARGERS:]
    rows = [
        row(
            external_text(site.site) if site.site else words.gettext("Without a site"),
            number(site.ac_count, locale),
            number(site.dc_count, locale),
            _price(site.subtotal, view, locale),
        )
        for site in shown
    ]
    if others:
        rows.append(
            row(
                words.gettext("Other sites"),
                number(sum(site.ac_count for site in others), locale),
                number(sum(site.dc_count for site in others), locale),
                _price(sum((site.subtotal for site in others), Decimal(0)), view, locale),
            )
        )
    foot = row(
        words.gettext("Net"),
        number(view.header.ac_count or 0, locale),
        number(view.header.dc_count or 0, locale),
        _price(view.header.net, view, locale),
    )
    return Section(words.gettext("Connectors by site"), table=Table(columns, tuple(rows), foot))


def _price(value: Decimal, view: StatementView, locale: str) -> str:
    return amount(value, view.header.currency, locale)


def _excluded(view: StatementView, locale: str, words: Words) -> Section | None:
    if not view.excluded:
        return None
    columns = (
        Column(words.gettext("Why")),
        Column(words.gettext("Connectors"), is_number=True),
    )
    rows = tuple(row(rule_says(e.rule_id, words), number(e.connector_count, locale)) for e in view.excluded)
    foot = row(words.gettext("Not billed"), number(view.excluded_count, locale))
    return Section(words.gettext("Not billed"), table=Table(columns, rows, foot))


def _chargers(view: StatementView, locale: str, words: Words) -> Section:
    header = view.header
    title = words.gettext("Chargers")
    if view.is_archived:
        return Section(
            title,
            own_texts(words.gettext("The list of this month's chargers is archived; it is available on request.")),
        )
    if view.has_more_chargers_than_counted:
        more = words.gettext(
            "More than %(count)s chargers are billed, too many to be listed here. The full list, connector by "
            "connector, is available on request.",
            count=number(MOST_COUNTED, locale),
        )
        return Section(title, own_texts(more))
    if view.charger_count > MOST_CHARGERS or not view.has_all_chargers:
        many = words.gettext(
            "%(count)s chargers are billed, too many to be listed here. The full list, connector by connector, is "
            "available on request.",
            count=number(view.charger_count, locale),
        )
        return Section(title, own_texts(many))
    whole, price = partial(number, locale=locale), partial(amount, currency=header.currency, locale=locale)
    has_sites = any(c.site for c in view.chargers)
    columns = (
        Column(words.gettext("Charger")),
        *((Column(words.gettext("Site")),) if has_sites else ()),
        Column(words.gettext("AC connectors"), is_number=True),
        Column(words.gettext("DC connectors"), is_number=True),
        Column(words.gettext("Amount, %(currency)s", currency=header.currency), is_number=True),
    )
    rows = tuple(
        row(
            external_text(charger_name(c.charger_id, c.name)),
            *((external_text(c.site or ""),) if has_sites else ()),
            whole(c.ac_count),
            whole(c.dc_count),
            price(c.subtotal),
        )
        for c in view.chargers
    )
    count = view.charger_count
    foot = row(
        words.ngettext("%(count)s charger", "%(count)s chargers", count, count=whole(count)),
        *(("",) if has_sites else ()),
        whole(header.ac_count or 0),
        whole(header.dc_count or 0),
        price(header.net),
    )
    return Section(title, table=Table(columns, rows, foot))
