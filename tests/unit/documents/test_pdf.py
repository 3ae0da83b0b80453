"""Statements on paper: what is printed, how it is laid out, and that it is the same bytes each time."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from evbilling.documents import Issuer, fonts, statement_pdf
from evbilling.documents.layout import external_text
from evbilling.read_models.statement.view import Correction, StatementView
from tests.support.pdf import dark_pixels, opened, page_texts, require_noto, words
from tests.support.statement_views import account_view, connector_view, correction_view, failed_view, paid_view

ISSUER = Issuer("Volta Charging Ltd", ("12 Battery Lane", "10115 Berlin"), "DE123456789", "billing@volta.example")
EMPTY = {"EVBILLING_FONTS": "/nowhere"}

HOSTILE = (
    "<script>alert(1)</script>",
    "=cmd()",
    '#panic("no")',
    "$ x $",
    "*bold* _em_ `raw`",
    "#let x = 1",
    "// comment",
    "@ref <label>",
    "\\u{0}",
    "\"quoted\" & 'single'",
    "{{ template }}",
    "%s %(x)s {0}",
)


def test_a_connector_statement_says_what_finance_needs() -> None:
    """Who bills whom for what, by charger, what isn't billed and by which rule, tax, and how it was paid."""
    text = words(statement_pdf(paid_view(), locale="de_DE", issuer=ISSUER, addressee="Ann Smith"))
    for said in (
        "Volta Charging Ltd",
        "12 Battery Lane",
        "Tax id DE123456789",
        "billing@volta.example",
        "Connector statement A-202611-000042",
        "Fleet GmbH",
        "Account acme",
        "Financial admin Ann Smith",
        "Period November 2026",
        "Date 01.11.2026",
        "Counted 01.11.2026, 00:00 (Europe/Berlin)",
        "Net, 6 connectors 45,00 €",
        "Tax, 19 % 8,55 €",
        "Total 53,55 €",
        "Paid 53,55 €",
        "Balance due 0,00 €",
        "AC connectors 3 5,00 15,00",
        "DC connectors 3 10,00 30,00",
        "CH-00001 1 1 15,00",
        "3 chargers 3 3 45,00",
        "NOT-IN-SERVICE The connector is planned or removed 3",
        "SCOPE-CLOSED",
        "1.200",
        "Not billed 1.203",
        "Status: Billing failure (resolved).",
        "04.11.2026 Charged to the stored payment method pi_3abc 53,55",
        "Page 1 of",
    ):
        assert said in text


def test_a_failed_charge_says_why_and_what_follows() -> None:
    """The decline in plain words, and whether it is tried again."""
    text = words(statement_pdf(failed_view(), locale="en_US"))
    assert (
        "Status: Billing failure. Last attempt to charge it, on Nov 1, 2026: The card has expired. Please enter" in text
    )
    assert "No automatic retry: declined until the customer acts." in text
    assert "Balance due €53.55" in text


def test_corrections_are_told_on_the_original() -> None:
    """Each with its date, reason and amounts, and their sum in the balance."""
    note = Correction(
        "C-202611-000001",
        date(2026, 11, 20),
        Decimal("-5.00"),
        Decimal("-0.95"),
        Decimal("-5.95"),
        "out of order",
        1,
        (),
    )
    text = words(statement_pdf(connector_view(corrections=(note,)), locale="en_GB"))
    assert "Corrections -€5.95" in text
    assert "C-202611-000001 20 Nov 2026 out of order -5.00 -0.95 -5.95" in text


def test_an_account_statement_goes_from_opening_to_closing_balance() -> None:
    """Each kind with its items and sum; what was settled before is no part of the balance."""
    text = words(statement_pdf(account_view(), locale="en_GB", issuer=ISSUER))
    for said in (
        "Account statement S-202611-000007",
        "Date 30 Nov 2026",
        "Opening balance €10.00",
        "Connector statements €53.55",
        "Other charges €11.90",
        "Payments -€53.55",
        "Closing balance €21.90",
        "Connector statement A-202611-000042 45.00 8.55 53.55",
        "Roaming session 10.00 1.90 11.90 11.90",
        "Settled before, EUR",
        "Payment of A-202611-000042 -53.55 0.00 -53.55",
    ):
        assert said in text


@pytest.mark.parametrize(
    ("net_minor", "title", "does"), [(-500, "Credit note", "lowers"), (500, "Debit note", "raises")]
)
def test_a_correction_is_a_credit_or_a_debit_note(net_minor: int, title: str, does: str) -> None:
    """It names its original, why, and each connector before and now."""
    text = words(statement_pdf(correction_view(net_minor=net_minor), locale="en_GB"))
    assert f"{title} C-202611-000001" in text
    assert f"{does} the balance of connector statement A-202611-000042" in text
    assert "Reason: was out of order" in text
    assert "CH-00001 1 5.00 - -5.00 The connector is planned or removed" in text


@pytest.mark.parametrize(
    ("currency", "fee_minor", "locale", "total"),
    [("JPY", 500, "en_US", "¥5,355"), ("KWD", 1250, "en_US", "13.388"), ("EUR", 500, "de_DE", "53,55 €")],
)
def test_each_currency_has_its_decimals(currency: str, fee_minor: int, locale: str, total: str) -> None:
    """None of the yen's, three of the dinar's."""
    text = words(statement_pdf(connector_view(currency=currency, fee_minor=fee_minor), locale=locale))
    assert total in text
    assert f"Currency {currency}" in text


def test_a_long_list_repeats_its_heading_on_each_page() -> None:
    """Pages are numbered, no charger is lost or printed twice, and the sum comes last."""
    pages = page_texts(statement_pdf(connector_view(chargers=140), locale="en_GB"))
    assert len(pages) > 2
    for number, page in enumerate(pages, 1):
        assert "Charger AC connectors DC connectors Amount, EUR" in page
        assert f"Connector statement A-202611-000042 Page {number} of {len(pages)}" in page
    assert re.findall(r"CH-\d{5}", " ".join(pages)) == [f"CH-{n:05d}" for n in range(140)]
    assert "140 chargers 140 140 2,100.00" in pages[-1]


@pytest.mark.parametrize(
    "view",
    [
        connector_view(chargers=1001),
        replace(connector_view(chargers=10), charger_count=10_001),
    ],
)
def test_too_many_chargers_are_summed_up(view: StatementView) -> None:
    """Beyond the limit the document says how many there are, what they come to, and where the list is."""
    pages = page_texts(statement_pdf(view, locale="en_GB"))
    assert len(pages) == 1
    assert "More than 10,000" in pages[0] or "1,001 chargers are billed, too many to be listed here" in pages[0]
    assert "CSV on the page of statement A-202611-000042" in pages[0]
    assert "CH-0" not in pages[0]


def test_a_part_of_the_items_says_so() -> None:
    """The sums cover all items, and the list says that it doesn't."""
    whole = account_view(charges=8)
    text = words(statement_pdf(replace(whole, items=whole.items[:6]), locale="en_GB"))
    assert "The first 6 of 11 items are listed here; the sums cover all." in text
    assert "8 items" in text


def test_archived_lines_are_said_to_be() -> None:
    """No empty table."""
    text = words(statement_pdf(connector_view(chargers=3, is_archived=True, charger_count=0), locale="en_GB"))
    assert "The lines of this period are archived" in text
    assert "Total €53.55" in text


def test_without_an_operators_name_the_document_says_where_to_set_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name comes from the environment unless it is given."""
    for name in list(os.environ):
        if name.startswith("EVBILLING_ISSUER"):
            monkeypatch.delenv(name)
    assert "Name of the operator not set (EVBILLING_ISSUER_NAME)" in words(statement_pdf(connector_view()))
    monkeypatch.setenv("EVBILLING_ISSUER_NAME", "Volta")
    monkeypatch.setenv("EVBILLING_ISSUER_ADDRESS", " 1 Main Street; ;12345 Town ")
    text = words(statement_pdf(connector_view()))
    assert "Volta 1 Main Street 12345 Town" in text


@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_a_name_holds_is_shown_as_text(name: str) -> None:
    """Nothing of a name is markup, code or a template, wherever it is printed."""
    shown = name.replace(" ", "")
    for pdf in (
        statement_pdf(connector_view(charger_ids=[name], name=name), addressee=name),
        statement_pdf(account_view(description=name), issuer=Issuer(name, (name,), name, name)),
        statement_pdf(correction_view(charger_id=name)),
    ):
        # A narrow column may have broken it.
        assert shown in words(pdf).replace(" ", "")


def test_long_names_wrap_inside_the_page() -> None:
    """300 letters without a blank stay within the margins, in every place."""
    name = "W" * 300
    for view in (
        connector_view(charger_ids=[name], name=name),
        account_view(description=name),
        correction_view(charger_id=name),
    ):
        pdf = statement_pdf(view, addressee=name, issuer=Issuer(name, (name,)))
        assert name in words(pdf).replace(" ", "")
        with opened(pdf) as document:
            pages = len(document)
        for page in range(pages):
            printed = dark_pixels(pdf, page)
            assert not printed[:, :40].any(), "printed on the left margin"
            assert not printed[:, -40:].any(), "printed on the right margin"


def test_marks_that_steer_the_printing_are_taken_out() -> None:
    """Control characters, and what turns around the reading of what follows."""
    assert external_text("a\u202eb\x07c\u2066d\x00\n").text == "ab cd"
    assert external_text("  ").text == ""
    assert external_text("x" * 23).text == "x" * 23
    long = external_text("e\u0301" * 40).text
    assert long.replace("\u200b", "") == "e\u0301" * 40
    assert "\u200b\u0301" not in long, "a mark stays with its letter"


def test_right_to_left_names_are_found() -> None:
    """By the first letter that has a direction."""
    assert external_text("محطة 12").is_right_to_left
    assert external_text("(תחנה) 1").is_right_to_left
    assert not external_text("Depot محطة").is_right_to_left
    assert not external_text("12").is_right_to_left


def test_names_of_all_scripts_have_their_letters() -> None:
    """Arabic, Hebrew, Han, Thai, Devanagari and emoji are drawn from fonts, as PDF/A wants it."""
    require_noto()
    names = ["محطة الشحن", "תחנת טעינה", "充电站 北京", "충전소", "สถานี", "चार्जर", "Ζεύς", "зарядка", "🚗⚡😀"]
    pdf = statement_pdf(connector_view(charger_ids=names, name="شركة (القابضة) 2026"))
    text = words(pdf)
    for name in ("充电站 北京", "충전소", "Ζεύς", "зарядка", "🚗⚡😀"):
        assert name in text
    assert b"pdfaid" in pdf


def test_han_is_drawn_as_the_country_does() -> None:
    """The same characters, other fonts."""
    require_noto()
    folders = fonts.font_folders(os.environ)
    japanese = fonts.families(folders, "en_JP")
    assert japanese.index("Noto Sans CJK JP") < japanese.index("Noto Sans CJK SC")
    assert "Noto Sans CJK JP" not in fonts.families(folders, "en_CN")


@pytest.mark.parametrize("view", [paid_view(), account_view(), correction_view()], ids=lambda v: v.header.kind)
def test_the_file_is_tagged_and_made_to_be_kept(view: StatementView) -> None:
    """PDF/A-2a and PDF/UA-1, with structure, language and title."""
    pdf = statement_pdf(view, issuer=ISSUER)
    for mark in (
        b"/StructTreeRoot",
        b"/MarkInfo",
        b"/Lang",
        b"<pdfaid:part>2</pdfaid:part>",
        b"<pdfaid:conformance>A</pdfaid:conformance>",
        b"<pdfuaid:part>1</pdfuaid:part>",
    ):
        assert mark in pdf
    with opened(pdf) as document:
        assert document.get_metadata_value("Title").endswith(view.header.statement_id)
        assert document.get_metadata_value("Author") == "Volta Charging Ltd"
        assert document.get_metadata_value("CreationDate").startswith("D:20261101")
        assert document.is_tagged()


def test_the_same_statement_is_the_same_bytes() -> None:
    """Again, in other threads, and in another process."""
    view = paid_view(chargers=30, name="Fleet 中文 محمد")
    first = statement_pdf(view, locale="de_DE", issuer=ISSUER)
    statement_pdf(account_view())
    assert statement_pdf(view, locale="de_DE", issuer=ISSUER) == first
    with ThreadPoolExecutor(3) as pool:
        assert set(pool.map(lambda _: statement_pdf(view, locale="de_DE", issuer=ISSUER), range(9))) == {first}
    script = (
        "import hashlib, sys; from tests.support.statement_views import paid_view;"
        "from evbilling.documents import Issuer;"
        "from evbilling.documents import statement_pdf;"
        "v = paid_view(chargers=30, name='Fleet \\u4e2d\\u6587 \\u0645\\u062d\\u0645\\u062f');"
        f"print(hashlib.sha256(statement_pdf(v, locale='de_DE', issuer={ISSUER!r})).hexdigest())"
    )
    there = {"PYTHONPATH": os.pathsep.join(sys.path), "TZ": "Asia/Tokyo"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ | there
    )
    assert done.stdout.strip() == hashlib.sha256(first).hexdigest()


def test_a_character_that_no_font_has_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Without Noto an Arabic name becomes boxes: the document is made, without the standard, and the log says so."""
    monkeypatch.setenv("EVBILLING_FONTS", str(tmp_path))
    pdf = statement_pdf(connector_view(charger_ids=["محطة", "充电站", "😀", "\U000130b8"]))
    assert "Total €71.40" in words(pdf)
    assert b"pdfaid" not in pdf
    assert b"/StructTreeRoot" in pdf
    assert "A-202611-000042 isn't PDF/A" in caplog.text


def test_plain_names_need_no_fonts_of_the_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What Typst brings does for Latin, Greek and Cyrillic, and the standard is kept."""
    monkeypatch.setenv("EVBILLING_FONTS", str(tmp_path))
    pdf = statement_pdf(paid_view(charger_ids=["Ähre", "Ζεύς", "зарядка"]), locale="fr_FR")
    assert b"pdfaid" in pdf
    assert "зарядка" in words(pdf)


def test_a_folder_of_fonts_that_is_none_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """A wrong EVBILLING_FONTS isn't passed over."""
    assert fonts.font_folders(EMPTY) == ()
    assert "EVBILLING_FONTS names /nowhere, which isn't a folder" in caplog.text
