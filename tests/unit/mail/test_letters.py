"""Letters and messages: what they say, in whose way of writing, and that no name can do harm in them."""

from __future__ import annotations

import base64
import email
import email.policy
import html
import quopri
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from email.message import EmailMessage
from gettext import NullTranslations
from itertools import starmap
from pathlib import Path
from typing import Any

import pytest
from babel.messages.extract import extract_from_file
from hypothesis import given
from hypothesis import strategies as st

from evbilling.documents import Issuer
from evbilling.languages import LANGUAGES, Words, locale_of
from evbilling.mail import letters
from evbilling.mail.cases import LETTER_CASES, Say
from evbilling.mail.letters import (
    ACCOUNT_STATEMENT,
    CONNECTOR_STATEMENT,
    CORRECTION,
    FAILED_CHARGE,
    KINDS,
    Letter,
    Occasion,
    one_line,
    write_letter,
)
from evbilling.mail.messages import Sender, compose, message_id
from evbilling.mail.recipients import Address, mask_in, masked, parse_address
from evbilling.read_models.statement import Collection, Standing, StatementView, standing_of
from evbilling.read_models.statement.view import StatementRef
from tests.support.catalogues import KEYWORDS
from tests.support.statement_views import (
    BY_HAND,
    INTERNAL,
    ISSUED,
    account_view,
    connector_view,
    correction_view,
    failed_view,
)

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


VIEWS: dict[str, Any] = {
    CONNECTOR_STATEMENT: connector_view,
    ACCOUNT_STATEMENT: account_view,
    CORRECTION: correction_view,
    FAILED_CHARGE: failed_view,
}


def letter_of(
    kind: str = CONNECTOR_STATEMENT,
    country: str | None = "DE",
    *standings: Standing,
    issuer: Issuer = ISSUER,
    addressee: str | None = "Ann Admin",
    account_name: str | None = "Fleet GmbH",
    view: StatementView | None = None,
    **changes: Any,
) -> Letter:
    """A letter; its connector statement is declined, without another try, unless `standings` are given."""
    view = view or VIEWS[kind](**changes)
    view = replace(view, header=replace(view.header, account_name=account_name))
    currency = view.header.currency
    standings = standings or (standing(facts_of(view, currency=currency)),)
    occasion = Occasion(locale_of(country), standings, 1 if kind == FAILED_CHARGE else None)
    return write_letter(kind, view, occasion, issuer, addressee)


def facts_of(view: StatementView, **changes: Any) -> Collection:
    """The collection of the view's statement: declined, and tried no more."""
    header = view.header
    facts = Collection(
        statement_id="A-202611-000042",
        account_id=header.account_id,
        financial_admin_id=header.financial_admin_id,
        period=header.period,
        time_zone=header.time_zone,
        currency=header.currency,
        issued_at=header.issued_at,
        balance=header.balance or Decimal("47.60"),
        paid=Decimal(0),
        last_outcome="declined",
        decline_code="expired_card",
        last_method="pm_1",
        was_refused=False,
        planned_at=None,
        has_unaccounted=False,
        is_on_hold=False,
        as_of=header.issued_at,
    )
    return replace(facts, **changes)


def standing(facts: Collection, method: str | None = "pm_1", *, are_retries_sent: bool = True) -> Standing:
    return standing_of(facts, method, are_retries_sent=are_retries_sent)


def parsed(letter: Letter, to: str = "ann@example.org", name: str | None = "Ann Admin") -> EmailMessage:
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
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_a_connector_statement_says_what_is_billed() -> None:
    """Statement, period, amounts and what happens next, in both forms; the operator signs."""
    letter = letter_of()
    assert letter.subject == "Abrechnung der Ladeanschlüsse A-202611-000042 für November 2026, Fleet GmbH"
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
    for said in ("Anfangssaldo: 10,00", "Zahlungen: -53,55", "Endsaldo: 21,90", "S-202611-000007"):
        assert said in text


def notes_of(letter: Letter) -> list[str]:
    """The paragraphs of the letter's text between the table of amounts and the end."""
    return letter.text.split("\n\n")[4:-2]


def account_notes(here: str, elsewhere: str, *standings: Standing, issuer: Issuer = ISSUER) -> list[str]:
    """What a letter of an account statement says of a closing balance with these parts."""
    view = account_view()
    header = replace(view.header, total=Decimal(here) + Decimal(elsewhere))
    view = replace(view, header=header, due_here=Decimal(here))
    occasion = Occasion("en_GB", standings)
    return notes_of(write_letter(ACCOUNT_STATEMENT, view, occasion, issuer, "Ann"))


def test_an_account_statement_says_what_is_collected_here_and_what_elsewhere() -> None:
    """Nobody collects other charges; what is due on statements is told as it stands, statement by statement."""
    connector = connector_view()
    due = standing(facts_of(connector, balance=Decimal("12.30")))
    without = standing(facts_of(connector, balance=Decimal("5.00"), statement_id="A-202610-000008"), None)
    assert account_notes("0", "0") == ["Nothing is due."]
    other = (
        "€524.10 of the closing balance is for other charges, which are settled separately. We don't collect them with "
        "this statement."
    )
    assert account_notes("0", "524.10") == [other]
    assert account_notes("0", "-3.00") == ["€3.00 from other charges is in your favour."]
    assert account_notes("-3.00", "0") == ["€3.00 from connector statements is in your favour."]
    assert account_notes("53.55", "0") == [
        "€53.55 of the closing balance was for connector statements, which have been settled since. Thank you."
    ]
    assert account_notes("17.30", "524.10", without, due) == [
        "A-202610-000008: No payment method is stored for you, so €5.00 can't be charged. Please add a payment method.",
        "A-202611-000042: We could not collect €12.30. The card has expired. Please enter its new expiry date, or add "
        "another payment method.",
        other,
        "If you need help with your payment method, contact \u2068billing@volt.example\u2069.",
    ]
    # A credit of one statement doesn't hide what is due on another.
    assert account_notes("0", "0", due)[0].startswith("A-202611-000042: We could not collect €12.30.")


def test_statements_of_which_the_same_is_said_are_named_together() -> None:
    """Forty failed months don't make forty sentences, and no amount is lost."""
    months = [
        facts_of(connector_view(), statement_id=f"A-2026{n:02d}-000001", last_outcome="pending") for n in range(1, 9)
    ]
    (note,) = account_notes("428.40", "0", *map(standing, months))
    assert note.startswith("A-202601-000001, A-202602-000001, ")
    assert ", A-202606-000001, …: A charge of €428.40" in note


@pytest.mark.parametrize(
    ("net", "title", "said"),
    [(-500, "was corrected in your favour.", "€47.60"), (500, "was corrected by an additional amount.", "€59.50")],
)
def test_a_correction_says_what_it_changes_and_what_is_due_then(net: int, title: str, said: str) -> None:
    """Not only the amount of the correction: the balance of the corrected statement, and what becomes of it."""
    view = correction_view(net_minor=net)
    letter = letter_of(CORRECTION, "GB", standing(facts_of(view, balance=Decimal(said[1:]))), view=view)
    assert letter.subject == "Correction C-202611-000001 of A-202611-000042, Fleet GmbH"
    assert title in letter.text
    assert f"Balance of A-202611-000042: {said}" in letter.text
    assert f"We could not collect {said}." in letter.text
    assert "Your next account statement lists the correction." in letter.text
    listed = replace(view, listed_on=(StatementRef("S-202611-000003", date(2026, 11, 30)),))
    assert (
        "Your account statement S-202611-000003 lists the correction." in letter_of(CORRECTION, "GB", view=listed).text
    )


def test_a_notice_says_why_and_what_to_do() -> None:
    """The decline in the words that finance has for it, what is still due, and no attachment is spoken of."""
    letter = letter_of(FAILED_CHARGE, "GB")
    assert letter.subject == "Payment of statement A-202611-000042 failed, Fleet GmbH"
    assert notes_of(letter) == [
        "The card has expired.",
        "Please enter its new expiry date, or add another payment method.",
        "If you need help with your payment method, contact \u2068billing@volt.example\u2069.",
    ]
    assert "attached" not in letter.text


@pytest.mark.parametrize(
    ("changes", "method", "said"),
    [
        ({"balance": Decimal(0), "paid": Decimal("53.55")}, "pm_1", ["The statement is paid. Thank you."]),
        ({}, "pm_2", ["€53.55 will be charged to your new payment method. You don't need to do anything."]),
        (
            {"last_outcome": "pending"},
            "pm_1",
            ["A charge of €53.55 to your payment method is under way. You don't need"],
        ),
        (
            {},
            None,
            ["No payment method is stored for you, so €53.55 can't be charged.", "Please add a payment method."],
        ),
    ],
)
def test_a_notice_that_comes_late_says_how_it_is_by_then(
    changes: dict[str, Any], method: str | None, said: list[str]
) -> None:
    """Why the attempt failed stays true; what to do follows from what has happened since."""
    view = failed_view()
    letter = letter_of(FAILED_CHARGE, "GB", standing(facts_of(view, **changes), method), view=view)
    first, *rest = notes_of(letter)
    assert first == "The card has expired."
    assert all(note.startswith(text) for note, text in zip(rest, said, strict=False))
    assert len(rest) == len(said) + (method is None)


def test_a_notice_of_a_missing_method_says_it_once() -> None:
    """Not as the reason and again as the situation."""
    view = failed_view()
    attempt = replace(view.attempts[0], decline_code="no_payment_method")
    facts = facts_of(view, decline_code="no_payment_method", last_method=None)
    letter = letter_of(FAILED_CHARGE, "GB", standing(facts, None), view=replace(view, attempts=(attempt,)))
    assert letter.text.count("No payment method is stored") == 1


def test_who_is_asked_for_something_can_ask_back() -> None:
    """The operator's contact, or a reply; who isn't asked for anything is offered neither."""
    nameless = Issuer("Volt", contact="")
    assert "contact \u2068billing@volt.example\u2069." in letter_of(FAILED_CHARGE, "GB").text
    assert "reply to this message." in letter_of(FAILED_CHARGE, "GB", issuer=nameless).text
    paid = standing(facts_of(connector_view(), balance=Decimal(0), paid=Decimal("53.55")))
    assert "help" not in letter_of(CONNECTOR_STATEMENT, "GB", paid).text


def test_every_sentence_of_a_letter_has_its_case() -> None:
    """The table of cases has each once, with the facts that it follows from."""
    assert set(LETTER_CASES) == set(Say)
    assert all(case.facts and len(case.sentences) == 1 for case in LETTER_CASES.values())
    source = Path(letters.__file__).read_text(encoding="utf-8")
    assert {say.name for say in Say} == set(re.findall(r"Say\.([A-Z_]+)", source))
    # What else the module says are labels and titles: no sentence.
    written = [m for _, m, _, _ in extract_from_file("python", letters.__file__, keywords=KEYWORDS)]
    assert [m for m in written if m.endswith(".")] == ["This message was sent automatically."]


NAMES = {"account_name": "充電株式会社 東京", "addressee": "شركة الشحن محمد"}


@pytest.mark.parametrize("kind", KINDS)
def test_no_letter_is_half_translated(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a language that marks all of its words, nothing but names, ids, amounts and days is outside the marks."""

    monkeypatch.setattr(letters, "words_of", lambda _: Marked("xx", NullTranslations()))
    both = [
        standing(facts_of(connector_view(), planned_at=ISSUED, paid=Decimal(1))),
        standing(facts_of(connector_view()), None),
    ]
    letter = letter_of(kind, "XX", *(both if kind == ACCOUNT_STATEMENT else both[:1]), **NAMES)
    visible = re.sub(r"(?s)<style>.*</style>|<[^>]*>", "", letter.html)
    for text in (letter.subject, letter.text, visible):
        assert "⟦" in text
        left = _OTHERS.sub("", re.sub(r"⟦[^⟧]*⟧", "", html.unescape(text)))
        assert not re.search(r"\w{2}", re.sub(r"\d+", "", left)), left


class Marked(Words):
    """The words of a language that marks all of them."""

    def gettext(self, message: str, **values: str) -> str:
        """The message in marks, the values outside of them."""
        return "⟦" + re.sub(r"%\((\w+)\)s", lambda found: f"⟧{values[found[1]]}⟦", message) + "⟧"


# What is no word of ours: names, ids, an address, and a month.
_OTHERS = re.compile(
    "|".join([
        *NAMES.values(),
        r"[ASC]-\d{6}-\d{6}",
        *map(re.escape, ("Volt & Söhne GmbH", "Hauptstr. 1", "10115 Berlin")),
        "DE123",
    ])
    + "|billing@volt.example|Nov(ember)?"
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("country", "language"),
    [("GB", "en"), ("AT", "de"), ("MX", "es"), ("BE", "nl"), ("LU", "fr"), ("IT", "it"), ("BR", "pt")],
)
def test_a_letter_is_in_the_customers_language(kind: str, country: str, language: str) -> None:
    """As a whole: it says what language it is in, greets and closes in it, and is unlike every other."""
    letter = letter_of(kind, country, **NAMES)
    assert f'<html lang="{language}">' in letter.html
    for text in (letter.text, letter.html):
        assert "\u2068شركة الشحن محمد\u2069" in text
        assert "充電株式会社 東京" in text
    english = letter_of(kind, "GB", **NAMES)
    if language != "en":
        lines = {line for line in letter.text.splitlines() if re.search(r"[a-z]{3}", line)}
        same = lines & set(english.text.splitlines())
        assert {line for line in same if not re.search(r"GmbH|Berlin|Hauptstr|^Total|Date", line)} == set()


def test_all_languages_are_written() -> None:
    """None has the words of another for its subject."""
    subjects = {letter_of(FAILED_CHARGE, country).subject for country in ("GB", "DE", "ES", "FR", "IT", "NL", "PT")}
    assert len(subjects) == len(LANGUAGES)


@pytest.mark.parametrize(
    ("net", "said"), [(-500, "We have credited an amount on"), (500, "A further amount was added to")]
)
def test_a_note_by_hand_has_its_own_words_and_those_for_the_customer(net: int, said: str) -> None:
    """No connectors are spoken of, and nothing internal."""
    view = replace(correction_view(net_minor=net), by_hand=BY_HAND)
    letter = letter_of(CORRECTION, "GB", view=view)
    assert said in letter.text
    assert "Roaming session" in letter.text
    assert "each connector that changed" not in letter.text
    assert INTERNAL not in letter.text


def test_no_german_correction_is_called_a_gutschrift() -> None:
    """That would be an invoice of the customer to us."""
    for net in (-500, 500):
        letter = letter_of(CORRECTION, "DE", net_minor=net)
        assert "Korrektur C-202611-000001 zu A-202611-000042" in letter.subject
        assert "gutschrift" not in (letter.text + letter.html).lower()


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
    letter = letter_of(CONNECTOR_STATEMENT, country, currency=currency)
    for text in (letter.text, letter.html):
        assert amount in text
        assert date in text
        assert month in text


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("kind", [CONNECTOR_STATEMENT, ACCOUNT_STATEMENT, CORRECTION, FAILED_CHARGE])
def test_a_hostile_name_is_text(kind: str, name: str) -> None:
    """Whatever account and user are called, it is shown as text, on one line of the subject, and adds no header."""
    letter = letter_of(kind, account_name=name, addressee=name)
    message = parsed(letter, name=name)
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
    message = parsed(letter, name=name)
    assert str(message["Subject"]).startswith("Statement,")
    assert message["To"].addresses[0].addr_spec == "ann@example.org"


_ENCODED = re.compile(r"=\?utf-8\?([qb])\?([^?\s]*)\?=", re.IGNORECASE)


def decoded(raw: str) -> str:
    """A header's value as RFC 2047 reads it, by none of Python's code for headers: unfolded, blanks between encoded
    words left out, all others kept.
    """
    value = re.sub(r"\r\n(?=[ \t])", "", raw)
    value = re.sub(r"(\?=)[ \t]+(?==\?)", r"\1", value)
    # Of several encoded words in a row each may end within a letter.
    runs = re.compile(f"(?:{_ENCODED.pattern})+", re.IGNORECASE)
    return runs.sub(lambda run: b"".join(starmap(_bytes_of, _ENCODED.findall(run[0]))).decode(), value)


def _bytes_of(kind: str, text: str) -> bytes:
    return base64.b64decode(text) if kind.lower() == "b" else quopri.decodestring(text.replace("_", " "))


def header_of(content: bytes, name: str) -> str:
    head = content.partition(b"\r\n\r\n")[0].decode("ascii")
    (value,) = re.findall(rf"(?m)^{name}: (.*(?:\n[ \t].*)*)", head.replace("\r\n", "\n"))
    lines = f"{name}: {value}".split("\n")
    assert all(len(line) <= 78 for line in lines if "=?" in line)
    return str(value).replace("\n", "\r\n")


def composed(subject: str, name: str) -> bytes:
    return compose(
        Letter(subject, "text", "<p>html"),
        Sender(Address("billing@cpo.example"), name),
        Address("ann@example.org"),
        recipient_name=name,
        message_id="<1@cpo.example>",
        date=ISSUED,
        attachment=None,
    )


@pytest.mark.parametrize(
    "subject",
    [
        "Connector statement A-202610-000007 for October 2026, Metro Parking San José Inc.",
        "Account statement S-202610-000383 for October 2026, Hôtel de la Préfecture de Côte-d'Or et Fils Ñandú",
        "Connector statement A-202610-000017 for October 2026, Highway Charging 充電 株式会社 東京",
        "Abrechnung der Ladeanschlüsse A-202611-000042 für November 2026, شركة الشحن محمد",
        "Plain all the way through, and longer than one line of a header may be, so that it is folded somewhere",
        "é a é",
        "All of this would fit into a line without the header's own name there, so",
        f"{'W' * 60} and then some more, {'W' * 61}",
    ],
)
def test_a_subject_has_its_blanks_and_no_others(subject: str) -> None:
    """As an independent reader of RFC 2047 sees it, wherever it is folded; so for the names beside addresses."""
    content = composed(subject, subject[-40:])
    assert decoded(header_of(content, "Subject")) == subject
    for header, address in (("From", "billing@cpo.example"), ("To", "ann@example.org")):
        shown = decoded(header_of(content, header)).replace('"', "")
        assert shown == f"{one_line(subject[-40:])} <{address}>"


@given(st.text(st.characters(codec="utf-8"), max_size=120), st.integers(0, 40))
def test_any_subject_is_read_as_it_was_written(name: str, shift: int) -> None:
    """Whatever a name has, and wherever the fold comes."""
    subject = one_line(f"{'x' * shift} statement, {name}", 200)
    assert decoded(header_of(composed(subject, ""), "Subject")) == subject


def test_a_message_has_both_forms_and_the_pdf() -> None:
    """multipart/mixed of an alternative (plain first, so that HTML is preferred) and the attachment."""
    message = parsed(letter_of())
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
