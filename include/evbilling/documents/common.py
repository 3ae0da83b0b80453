"""What documents of all kinds have in common: who issues them, to whom, and the facts at their head. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from evbilling.documents.formats import day, instant, month
from evbilling.documents.issuer import Issuer
from evbilling.documents.layout import Amount, Document, Section, Text, texts, written
from evbilling.read_models.statement.view import Header


def assembled(
    header: Header,
    title: str,
    locale: str,
    issuer: Issuer,
    addressee: str,
    *,
    facts: Sequence[tuple[str, Text]],
    amounts: Sequence[Amount],
    sections: Sequence[Section],
) -> Document:
    """A statement's document: its own facts, amounts and sections below the head that all share."""
    return Document(
        title=title,
        number=header.statement_id,
        dated=header.issued_at.date(),
        locale=locale,
        issuer=_issuer(issuer),
        addressee_label="For",
        addressee=_addressee(header, addressee),
        facts=(
            ("Period", Text(month(header.period, locale))),
            ("Date", Text(day(header.statement_date, locale))),
            *facts,
            ("Issued", Text(instant(header.issued_at, header.time_zone, locale))),
            ("Currency", Text(header.currency)),
        ),
        amounts=tuple(amounts),
        sections=tuple(sections),
    )


def _issuer(issuer: Issuer) -> tuple[Text, ...]:
    tax = f"Tax id {issuer.tax_id}" if issuer.tax_id else ""
    return texts((issuer.shown_name, *issuer.address, tax, issuer.contact))


def _addressee(header: Header, name: str) -> tuple[Text, ...]:
    named = header.account_name and header.account_name.strip()
    return (
        written(named or header.account_id),
        *((written(f"Account {header.account_id}"),) if named else ()),
        written(f"Financial admin {name or header.financial_admin_id}"),
    )
