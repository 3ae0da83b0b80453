"""The head that statements of all kinds share: who issues them, to whom, and their first facts. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evbilling.documents.formats import day, instant, month
from evbilling.documents.layout import Amount, Document, Section, Text, external_text, external_texts
from evbilling.languages import Words, words_of
from evbilling.read_models.statement import Header

NAME, ADDRESS, TAX_ID, CONTACT = (
    "EVBILLING_ISSUER_NAME",
    "EVBILLING_ISSUER_ADDRESS",
    "EVBILLING_ISSUER_TAX_ID",
    "EVBILLING_ISSUER_CONTACT",
)


@dataclass(frozen=True, slots=True)
class Issuer:
    """The operator's name, the lines of its address, its tax id, and a contact for questions. All may be empty."""

    name: str = ""
    address: tuple[str, ...] = ()
    tax_id: str = ""
    contact: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Issuer:
        """The issuer of the variables EVBILLING_ISSUER_…; address lines are separated by `;` or new lines."""
        address = environment.get(ADDRESS, "").replace("\n", ";").split(";")
        return cls(
            name=environment.get(NAME, "").strip(),
            address=tuple(line.strip() for line in address if line.strip()),
            tax_id=environment.get(TAX_ID, "").strip(),
            contact=environment.get(CONTACT, "").strip(),
        )


def statement_document(
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
    words = words_of(locale)
    return Document(
        title=title,
        number=header.statement_id,
        dated=header.issued_at.date(),
        locale=locale,
        language=words.language,
        # Typst puts the numbers in.
        page_of=words.gettext("Page %(page)s of %(pages)s", page="{page}", pages="{pages}"),
        issuer=_issuer(issuer, words),
        addressee_label=words.gettext("For"),
        addressee=_addressee(header, addressee, words),
        facts=(
            (words.gettext("Period"), Text(month(header.period, locale))),
            (words.gettext("Date"), Text(day(header.statement_date, locale))),
            *facts,
            (words.gettext("Issued on"), Text(instant(header.issued_at, header.time_zone, locale))),
            (words.gettext("Currency"), Text(header.currency)),
        ),
        # It lacks what the law asks of one: the customer's address and tax id, a date due, the reason for the rate.
        notice=words.gettext("This document is not a tax invoice."),
        amounts=tuple(amounts),
        sections=tuple(sections),
    )


def _issuer(issuer: Issuer, words: Words) -> tuple[Text, ...]:
    name = issuer.name or words.gettext("Name of the operator not set (%(variable)s)", variable=NAME)
    tax = words.gettext("Tax id %(tax_id)s", tax_id=issuer.tax_id) if issuer.tax_id else ""
    return external_texts((name, *issuer.address, tax, issuer.contact))


def _addressee(header: Header, name: str, words: Words) -> tuple[Text, ...]:
    named = header.account_name and header.account_name.strip()
    account = words.gettext("Account %(account)s", account=header.account_id)
    admin = words.gettext("Financial admin: %(name)s", name=name or header.financial_admin_id)
    return (
        external_text(named or header.account_id),
        *((external_text(account),) if named else ()),
        external_text(admin),
    )
