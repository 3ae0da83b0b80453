"""The head that statements of all kinds share: who issues them, to whom, and their first facts. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evbilling.documents.formats import day, instant, month
from evbilling.documents.layout import Amount, Document, Section, Text, external_text, external_texts
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

    @property
    def shown_name(self) -> str:
        """The name, or a note that none is set and where to set it."""
        return self.name or f"Name of the operator not set ({NAME})"


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
    return Document(
        title=title,
        number=header.statement_id,
        dated=header.issued_at.date(),
        locale=locale,
        issuer=_issuer(issuer),
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
    return external_texts((issuer.shown_name, *issuer.address, tax, issuer.contact))


def _addressee(header: Header, name: str) -> tuple[Text, ...]:
    named = header.account_name and header.account_name.strip()
    return (
        external_text(named or header.account_id),
        *((external_text(f"Account {header.account_id}"),) if named else ()),
        external_text(f"Financial admin {name or header.financial_admin_id}"),
    )
