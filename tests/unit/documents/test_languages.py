"""Documents in the customer's language: whole, without English between, and with nothing that isn't for customers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import date
from decimal import Decimal
from gettext import NullTranslations
from typing import Any

import pytest

from evbilling.documents import (
    Issuer,
    account_statement,
    connector_statement,
    correction,
    heading,
    instant,
    month,
    pdf,
    statement_pdf,
)
from evbilling.documents.formats import day
from evbilling.documents.layout import Document
from evbilling.documents.rules import RULES_FOR_CUSTOMERS
from evbilling.languages import LANGUAGES, Words
from evbilling.read_models.statement import StatementView
from evbilling.scope import RULE_REASONS
from tests.support.pdf import words
from tests.support.statement_views import INTERNAL, ISSUED, every_document

ISSUER = Issuer("Volta", ("12 Battery Lane",), "DE123456789", "billing@volta.example")
COUNTRIES = {"en": "GB", "de": "DE", "es": "ES", "fr": "FR", "it": "IT", "nl": "NL", "pt": "PT"}
LOCALES = [f"{language}_{COUNTRIES[language]}" for language in LANGUAGES]
DOCUMENTS = every_document()
# What comes from elsewhere: the operator, the account and its records.
EXTERNAL = {
    *("Volta", "12 Battery Lane", "DE123456789", "billing@volta.example", "Fleet GmbH", "acme", "Ann Smith", "EUR"),
    *("S-202611-000007", "A-202611-000042", "C-202611-000001", "CH-00000", "CH-00001", "CH-00002", "Roaming session"),
    *("pi_3abc", "pi_1", "SEPA 4711", "SEPA 1", "EVBILLING_ISSUER_NAME", "a4", "us-letter", "2026-11-01"),
    *("{page}", "{pages}"),
}


def contents(view: StatementView, locale: str) -> Document:
    return pdf._CONTENTS[view.header.kind](view, locale, ISSUER, "Ann Smith")


def texts(value: Any) -> Iterator[str]:
    """All texts of a document, without its codes."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, part in value.items():
            if key not in {"locale", "language"}:
                yield from texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from texts(part)


class Marked(NullTranslations):
    """Translates a message by marking it: ⟦ours, with ⟪a value⟫ in it⟧."""

    def gettext(self, message: str) -> str:
        return "⟦" + re.sub(r"(%\(\w+\)s)", r"⟪\1⟫", message) + "⟧"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2)

    def pgettext(self, context: str, message: str) -> str:
        return self.gettext(message)


def unmarked(text: str) -> list[str]:
    """The parts of a text that aren't ours, as the marks say."""
    parts, inside = [""], ["⟫"]
    for character in text.replace("\u200b", ""):
        if character in "⟦⟪":
            inside.append(character)
            parts.append("")
        elif character in "⟧⟫":
            inside.pop()
            parts.append("")
        elif inside[-1] != "⟦":
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (account_statement, connector_statement, correction, heading):
        monkeypatch.setattr(module, "words_of", lambda _: Words("de", Marked()))


@pytest.mark.usefixtures("marked")
@pytest.mark.parametrize("name", DOCUMENTS)
def test_whatever_isnt_translated_comes_from_elsewhere(name: str) -> None:
    """Translated by marks, a document has no text without marks but names, ids, and formatted amounts and days."""
    known = EXTERNAL | {
        month("2026-11", "de_DE"),
        *(instant(at, "Europe/Berlin", "de_DE") for at in (ISSUED, DOCUMENTS["issued"].header.count_instant) if at),
        day(date(2026, 11, 5), "de_DE"),
    }
    for text in texts(asdict(contents(DOCUMENTS[name], "de_DE"))):
        for part in unmarked(text):
            assert part in known or not re.search(r"[^\W\d_]", part), f"{part!r} in {text!r}"


@pytest.mark.parametrize("name", ["paid", "account", "credit"])
def test_the_template_has_no_words_of_its_own(name: str) -> None:
    """What is on paper is in the document, page numbers aside."""
    document = contents(DOCUMENTS[name], "fr_FR")
    left = re.sub(r"[\s\u00a0\u202f\u200b]", "", words(pdf.document_pdf(document)))
    given = texts(asdict(document) | {"page_of": ["Page", "sur"]})
    for text in sorted({re.sub(r"[\s\u00a0\u202f\u200b]", "", text) for text in given}, key=len, reverse=True):
        left = left.replace(text, "") if text else left
    assert not re.search(r"[^\W\d_]", left), left


@pytest.mark.parametrize("locale", LOCALES)
def test_nothing_internal_is_on_a_document(locale: str) -> None:
    """No reason of finance's, no code of a rule, a status or the gateway, no time as computers write it."""
    for name, view in DOCUMENTS.items():
        document = contents(view, locale)
        assert document.language == locale[:2]
        for text in texts(asdict(document) | {"dated": None}):
            assert INTERNAL not in text, f"{name}: {text}"
            assert not re.search(r"\d{4}-\d\d-\d\d|\bUTC\b|[A-Z]{4,}-[A-Z]{4,}|_", text.replace("pi_", "")), text


@pytest.mark.parametrize(
    ("locale", "says"),
    [
        ("en_GB", ["This document is not a tax invoice.", "Date 1 Nov 2026", "Total €53.55", "Page 1 of 1"]),
        (
            "de_CH",
            ["Dieses Dokument ist keine Rechnung im Sinne des Umsatzsteuerrechts.", "Datum 01.11.2026", "Seite 1 von"],
        ),
        ("es_ES", ["Este documento no es una factura a efectos fiscales.", "Fecha 1 nov 2026", "Total 53,55 €"]),
        (
            "fr_FR",
            [
                "Ce document n\u2019est pas une facture au sens de la réglementation fiscale.",
                "Période novembre 2026 Date 1 nov. 2026",
                "Statut : à payer.",
            ],
        ),
        ("it_IT", ["Il presente documento non costituisce fattura ai fini fiscali.", "Data 1 nov 2026", "53,55 €"]),
        ("nl_BE", ["Dit document is geen btw-factuur.", "Datum 1 nov 2026", "Totaal € 53,55", "Pagina 1 van"]),
        ("pt_BR", ["Este documento não serve de fatura nem de documento fiscal.", "de 2026", "Total € 53,55"]),
        ("en_JP", ["This document is not a tax invoice.", "Date 1 Nov 2026", "Total €53.55"]),
        ("ja_JP", ["This document is not a tax invoice.", "Date 1 Nov 2026", "Total €53.55"]),
    ],
)
def test_words_days_and_amounts_are_of_one_language(locale: str, says: list[str]) -> None:
    """As the customer's country writes them, or English throughout."""
    made = statement_pdf(DOCUMENTS["issued"], locale=locale, issuer=ISSUER)
    text = words(made)
    for said in says:
        assert said in text, text
    language = locale[:2] if locale[:2] in LANGUAGES else "en"
    assert f"/Lang({language})".encode() in made


def test_a_german_correction_is_no_gutschrift() -> None:
    """The tax law has the word for another thing."""
    for name in ("credit", "debit", "account", "paid"):
        assert "Gutschrift" not in words(statement_pdf(DOCUMENTS[name], locale="de_DE", issuer=ISSUER))
    credit = words(statement_pdf(DOCUMENTS["credit"], locale="de_DE", issuer=ISSUER))
    assert "Abrechnungskorrektur (Minderung) C-202611-000001" in credit
    assert "Korrektur zu A-202611-000042" in credit


def test_every_rule_has_words_for_customers() -> None:
    """A new rule needs them."""
    assert set(RULES_FOR_CUSTOMERS) == set(RULE_REASONS)


def test_an_account_statement_says_what_is_settled_elsewhere() -> None:
    """Of its closing balance of 9.05 EUR; a balance of connector statements alone needs no words."""
    view = DOCUMENTS["account"]
    document = contents(replace(view, due_here=Decimal("1.05")), "en_001")
    assert [(amount.label, amount.value) for amount in document.amounts][-3:] == [
        ("Closing balance", "€9.05"),
        ("Of which connector statements", "€1.05"),
        ("Of which other charges", "€8.00"),
    ]
    assert [text.text for text in document.sections[0].sentences] == [
        "€8.00 of the closing balance is for other charges, which are settled separately. We don't collect them with "
        "this statement."
    ]
    alone = contents(replace(view, due_here=view.header.total), "en_001")
    assert alone.amounts[-1].label == "Closing balance"
    assert not any(section.sentences for section in alone.sections)
