"""Letters and messages: what they say, in whose way of writing, and that no name can do harm in them."""

from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evbilling.documents import Issuer
from evbilling.languages import locale_of
from evbilling.mail.letters import (
    ACCOUNT_STATEMENT,
    CONNECTOR_STATEMENT,
    CORRECTION,
    FAILED_CHARGE,
    Letter,
    one_line,
    write_letter,
)
from evbilling.mail.messages import Sender, compose, message_id
from evbilling.mail.recipients import Address, mask_in, masked, parse_address
from tests.support.statement_views import account_view, connector_view, correction_view, failed_view

ISSUER = Issuer("Volt & Söhne GmbH", ("Hauptstr. 1", "10115 Berlin"), "DE123", "billing@volt.example")
SENDER = Sender(Address("billing@cpo.example"), "CPO billing")
HOSTILE = [
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "\u202egnp.exe",
    "شركة الشحن",
    "充電株式会社",
    "⚡️👩‍👩‍👧",
    "x" * 300,
    "a\r\nBcc: all@example.org",
    "\u2028Subject: x",
    '"quoted" \\ back',
    "{{ 7 * 7 }}",
    "&amp; <b>",
    "\x00\x07bell",
    "",
]


def letter_of(kind: str = CONNECTOR_STATEMENT, country: str = "DE", **changes: Any) -> Letter:
    views = {
        CONNECTOR_STATEMENT: connector_view,
        ACCOUNT_STATEMENT: account_view,
        CORRECTION: correction_view,
        FAILED_CHARGE: failed_view,
    }
    view = views[kind](**changes.pop("view", {}))
    name = changes.pop("account_name", view.header.account_name)
    view = replace(view, header=replace(view.header, account_name=name))
    attempt = 1 if kind == FAILED_CHARGE else None
    return write_letter(kind, view, locale_of(country), ISSUER, changes.pop("addressee", "Ann Admin"), attempt)


def message_of(letter: Letter, to: str = "ann@example.org", name: str | None = "Ann Admin") -> EmailMessage:
    content = compose(
        letter,
        SENDER,
        Address(to),
        recipient_name=name,
        message_id=message_id("id-1", 7, SENDER),
        date=datetime(2026, 11, 1, 12, tzinfo=UTC),
        attachment=("A-202611-000042.pdf", b"%PDF-1.7 x"),
    )
    assert content.isascii()
    assert max(map(len, content.split(b"\r\n"))) <= 998
    parsed = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def test_a_connector_statement_says_what_is_billed() -> None:
    """Statement, period, amounts and what happens next, in both forms; the operator signs."""
    letter = letter_of()
    assert letter.subject == "Connector statement A-202611-000042 for November 2026, Fleet GmbH"
    for text in (letter.text, letter.html):
        for said in (
            "A-202611-000042",
            "53,55",
            "45,00",
            "8,55",
            "01.11.2026",
            "Fleet GmbH",
            "Ann Admin",
            "10115 Berlin",
        ):
            assert said in text, said
    assert "Volt &amp; Söhne GmbH" in letter.html
    assert "Volt & Söhne GmbH" in letter.text
    assert "<" not in letter.text


def test_an_account_statement_rolls_forward() -> None:
    """Each kind of item and the closing balance."""
    text = letter_of(ACCOUNT_STATEMENT).text
    for said in ("Opening balance: 10,00", "Payments: -53,55", "Closing balance: ", "S-202611-000007"):
        assert said in text


@pytest.mark.parametrize(
    ("kind", "amount", "said"),
    [
        (CONNECTOR_STATEMENT, "53.55", "The charge is made to your stored payment method; there is nothing to do."),
        (CONNECTOR_STATEMENT, "0.01", "The charge is made to your stored payment method; there is nothing to do."),
        (CONNECTOR_STATEMENT, "0.00", "It is paid; thank you."),
        (CONNECTOR_STATEMENT, "-5.00", "It is paid; thank you."),
        (ACCOUNT_STATEMENT, "0.01", "The balance is collected through your stored payment method"),
        (ACCOUNT_STATEMENT, "0.00", "Nothing is due."),
        (ACCOUNT_STATEMENT, "-0.01", "The balance is in your favour."),
    ],
)
def test_a_letter_says_what_becomes_of_the_balance(kind: str, amount: str, said: str) -> None:
    """What is due is collected, and nothing else is announced: of several sentences only the one that is true."""
    view = connector_view() if kind == CONNECTOR_STATEMENT else account_view()
    field = "balance" if kind == CONNECTOR_STATEMENT else "total"
    view = replace(view, header=replace(view.header, **{field: Decimal(amount)}))
    letter = write_letter(kind, view, locale_of("GB"), ISSUER, "Ann Admin")
    sentences = ("The charge is made", "It is paid", "The balance is collected", "Nothing is due", "in your favour")
    for text in (letter.text, letter.html):
        assert said in text
        assert sum(sentence in text for sentence in sentences) == 1


@pytest.mark.parametrize(("net", "note"), [(-500, "credit note"), (500, "debit note")])
def test_a_correction_names_what_it_corrects(net: int, note: str) -> None:
    """Credit or debit note, and of which statement."""
    letter = letter_of(CORRECTION, view={"net_minor": net})
    assert "C-202611-000001 of A-202611-000042" in letter.subject
    assert note in letter.text


def test_a_notice_says_why_and_what_to_do() -> None:
    """The decline in the words that finance has for it, what is still due, and no attachment is spoken of."""
    letter = letter_of(FAILED_CHARGE)
    assert letter.subject == "Payment of statement A-202611-000042 failed, Fleet GmbH"
    for text in (letter.text, letter.html.replace("&#39;", "'")):
        assert "The card has expired. Please enter its new expiry date" in text
        assert "attached" not in text


@pytest.mark.parametrize(
    ("country", "currency", "amount", "date", "month"),
    [
        ("DE", "EUR", "53,55\xa0€", "01.11.2026", "November 2026"),
        ("FR", "EUR", "53,55\xa0€", "1 nov. 2026", "novembre 2026"),
        ("US", "USD", "$53.55", "Nov 1, 2026", "November 2026"),
        ("JP", "JPY", "JP¥5,355", "1 Nov 2026", "November 2026"),
        ("EG", "EGP", "EGP\xa053.55", "1 Nov 2026", "November 2026"),
        (None, "EUR", "€53.55", "1 Nov 2026", "November 2026"),
    ],
)
def test_amounts_and_days_are_the_countrys(
    country: str | None, currency: str, amount: str, date: str, month: str
) -> None:
    """Money and dates as the account's country writes them, in text and HTML alike; unknown countries read English."""
    letter = letter_of(country=country or "", view={"currency": currency})
    for text in (letter.text, letter.html):
        assert amount in text
        assert date in text
        assert month in text


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("kind", [CONNECTOR_STATEMENT, ACCOUNT_STATEMENT, CORRECTION, FAILED_CHARGE])
def test_a_hostile_name_is_text(kind: str, name: str) -> None:
    """Whatever account and user are called, it is shown as text, on one line of the subject, and adds no header."""
    letter = letter_of(kind, account_name=name, addressee=name)
    message = message_of(letter, name=name)
    assert sorted(message.keys()) == sorted([
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "Auto-Submitted",
        "MIME-Version",
        "Content-Type",
    ])
    assert message["To"].addresses[0].addr_spec == "ann@example.org"
    assert len(message["To"].addresses) == 1
    assert "\n" not in message["Subject"]
    assert len(message["Subject"]) < 200
    assert (
        not set(message["Subject"]) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\x00\x07") or kind != FAILED_CHARGE
    )
    html = message.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert "<script" not in html
    assert "<b>" not in html
    assert "49" not in letter.subject.split(",")[-1]
    plain = message.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    shown = one_line(name, 200)
    assert f"\u2068{shown}\u2069" in plain or not shown


@given(st.text())
def test_any_name_makes_a_header(name: str) -> None:
    """No text at all breaks a header or leaves its line; half a character can't be in a warehouse's text."""
    name = name.encode("utf-8", "ignore").decode()
    line = one_line(name)
    assert len(line) <= 60
    assert line.splitlines() in ([line], [])
    letter = Letter(f"Statement, {line}", "text", "<p>html")
    message = message_of(letter, name=name)
    assert str(message["Subject"]).startswith("Statement,")
    assert message["To"].addresses[0].addr_spec == "ann@example.org"


def test_a_message_has_both_forms_and_the_pdf() -> None:
    """multipart/mixed of an alternative (plain first, so that HTML is preferred) and the attachment."""
    message = message_of(letter_of())
    assert message.get_content_type() == "multipart/mixed"
    alternative, pdf = message.iter_parts()
    assert alternative.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in alternative.iter_parts()] == ["text/plain", "text/html"]
    assert (pdf.get_content_type(), pdf.get_filename(), pdf.get_content()) == (
        "application/pdf",
        "A-202611-000042.pdf",
        b"%PDF-1.7 x",
    )
    assert message["Message-ID"] == "<7.id-1@cpo.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime == datetime(2026, 11, 1, 12, tzinfo=UTC)


def test_the_html_needs_nothing_from_outside() -> None:
    """No picture, script, font or style sheet is fetched, by whatever client."""
    html = letter_of().html
    for word in ("http://", "https://", "<img", "<script", "<link", "url(", "@import"):
        assert word not in html
    assert "prefers-color-scheme: dark" in html


@pytest.mark.parametrize(
    "text",
    ["a@example.org", "first.last+tag@sub.example.co", " a@example.org ", "o'neil@example.org", "jürgen@example.org"],
)
def test_an_address_is_taken(text: str) -> None:
    """What people have as addresses."""
    address = parse_address(text)
    assert address is not None
    assert address.text == text.strip()


def test_a_domain_in_another_script_is_written_in_ascii() -> None:
    """As the mail system speaks it."""
    assert parse_address("info@münchen.example") == Address("info@xn--mnchen-3ya.example")


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        " ",
        "a",
        "@",
        "a@",
        "@example.org",
        "a@b",
        "a b@example.org",
        "a@exa mple.org",
        "a@example..org",
        "a@-x.org",
        "a@example.org\r\nBcc: b@example.org",
        "a\n@example.org",
        "a@example.org,b@example.org",
        "Ann <a@example.org>",
        ".a@example.org",
        "a.@example.org",
        "a..b@example.org",
        "x" * 65 + "@example.org",
        "a@" + "x" * 250 + ".org",
        "a\x00@example.org",
        "<a@example.org>",
        "a@[127.0.0.1]",
    ],
)
def test_what_is_no_address_is_refused(text: str | None) -> None:
    """Nothing that could reach nobody, or more than one."""
    assert parse_address(text) is None


def test_an_address_is_masked_wherever_it_stands() -> None:
    """Finance sees that it is the same domain, not whose."""
    assert masked("jane.doe@example.org") == "j***@example.org"
    assert mask_in("550 <Jane.Doe@example.org> unknown", "jane.doe@example.org") == "550 <j***@example.org> unknown"
