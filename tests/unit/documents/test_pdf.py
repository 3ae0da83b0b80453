"""Statements on paper: what is printed, how it is laid out, and that it is the same bytes each time."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from iso4217 import Currency

from evbilling.documents import FontMissing, Issuer, fonts, money, statement_pdf
from evbilling.documents.layout import external_text
from evbilling.read_models.statement.view import Correction, StatementView
from tests.support.pdf import dark_pixels, opened, page_texts, words
from tests.support.statement_views import account_view, connector_view, correction_view, failed_view, paid_view

ISSUER = Issuer("Volta Charging Ltd", ("12 Battery Lane", "10115 Berlin"), "DE123456789", "billing@volta.example")
EMPTY = {"EVBILLING_FONTS": "/nowhere"}
SCRIPTS = ["محطة الشحن", "תחנת טעינה", "充电站 北京", "충전소", "สถานี", "चार्जर", "Ζεύς", "зарядка", "🚗⚡😀"]

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
    """Who bills whom for what, by charger, what isn't billed and why, tax, and how it was paid."""
    text = words(statement_pdf(paid_view(), locale="en_IE", issuer=ISSUER, addressee="Ann Smith"))
    for said in (
        "Volta Charging Ltd",
        "12 Battery Lane",
        "Tax id DE123456789",
        "billing@volta.example",
        "Connector statement A-202611-000042",
        "Fleet GmbH",
        "Account acme",
        "Financial admin: Ann Smith",
        "Period November 2026",
        "Date 1 Nov 2026",
        "Counted on 1 Nov 2026, 00:00 (Europe/Berlin)",
        "This document is not a tax invoice.",
        "Net, 6 connectors €45.00",
        "Tax, 19% €8.55",
        "Total €53.55",
        "Paid €53.55",
        "Balance due €0.00",
        "AC connectors 3 5.00 15.00",
        "DC connectors 3 10.00 30.00",
        "CH-00001 1 1 15.00",
        "3 chargers 3 3 45.00",
        "Not in service: planned or removed 3",
        "Closed chargers, which aren't billed to you 1,200",
        "Not billed 1,203",
        "Status: Paid, after a failed charge.",
        "4 Nov 2026 Charged to the stored payment method pi_3abc 53.55",
        "Page 1 of",
    ):
        assert said in text
    assert "declined" not in text, "what is paid is past"


def test_a_failed_charge_is_told_on_the_day_of_the_account() -> None:
    """When it was tried, by the account's clocks; nothing of codes, nor of tries to come."""
    late = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)
    failed = failed_view()
    text = words(
        statement_pdf(replace(failed, attempts=(replace(failed.attempts[0], requested_at=late),)), locale="en_US")
    )
    assert (
        "Status: Payment failed. We tried to charge it on Nov 1, 2026. The card has expired. Please enter its new "
        "expiry date, or add another payment method."
    ) in text
    assert "Balance due €53.55" in text
    under_way = replace(failed, attempts=(replace(failed.attempts[0], outcome="unknown"),))
    assert "The charge of Nov 1, 2026 is under way; its outcome isn't known yet." in words(
        statement_pdf(under_way, locale="en_US")
    )


def test_corrections_are_on_the_original() -> None:
    """Each with its date, the connectors that changed and amounts, and their sum in the balance."""
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
    assert "C-202611-000001 20 Nov 2026 1 -5.00 -0.95 -5.95" in text


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
    """It names its original, and each connector before and now."""
    text = words(statement_pdf(correction_view(net_minor=net_minor), locale="en_GB"))
    assert f"{title} C-202611-000001" in text
    assert f"{does} the balance of connector statement A-202611-000042" in text
    assert "CH-00001 1 5.00 - -5.00 Not in service: planned or removed" in text


@pytest.mark.parametrize(
    ("currency", "fee_minor", "locale", "total"),
    [("JPY", 500, "en_US", "¥5,355"), ("KWD", 1250, "en_US", "13.388"), ("EUR", 500, "de_DE", "53,55 €")],
)
def test_each_currency_has_its_decimals(currency: str, fee_minor: int, locale: str, total: str) -> None:
    """None of the yen's, three of the dinar's."""
    text = words(statement_pdf(connector_view(currency=currency, fee_minor=fee_minor), locale=locale))
    assert total in text
    assert f" {currency} " in text


def test_a_long_list_repeats_its_heading_on_each_page() -> None:
    """Pages are numbered, no charger is lost or printed twice, and the sum comes last."""
    pages = page_texts(statement_pdf(connector_view(chargers=140), locale="en_GB"))
    assert len(pages) > 2
    for number, page in enumerate(pages, 1):
        assert "Charger AC connectors DC connectors Amount, EUR" in page
        assert f"Connector statement A-202611-000042 Page {number} of {len(pages)}" in page
    assert re.findall(r"CH-\d{5}", " ".join(pages)) == [f"CH-{n:05d}" for n in range(140)]
    assert "140 chargers 140 140 2,100.00" in pages[-1]


def test_the_sum_is_never_alone_on_a_page() -> None:
    """Wherever the page ends, the sum has the last two chargers with it."""
    ends = set()
    for chargers in range(26, 31):
        *_, last = pages = page_texts(statement_pdf(connector_view(chargers=chargers), locale="en_GB"))
        ends.add(len(pages))
        if len(pages) > 1:
            assert len(re.findall(r"CH-\d{5}", last)) >= 2
    assert ends == {1, 2}


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
    assert "The full list, connector by connector, is available on request." in pages[0]
    assert "CH-0" not in pages[0]


def test_a_part_of_the_items_says_so() -> None:
    """The sums cover all items, and the list says that it doesn't."""
    whole = account_view(charges=8)
    text = words(statement_pdf(replace(whole, items=whole.items[:6]), locale="en_GB"))
    assert "The first 6 of 11 items are listed here; the sums cover all of them." in text
    assert "8 items" in text


def test_archived_lines_are_said_to_be() -> None:
    """No empty table."""
    text = words(statement_pdf(connector_view(chargers=3, is_archived=True, charger_count=0), locale="en_GB"))
    assert "The list of this month's chargers is archived; it is available on request." in text
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
    pdf = statement_pdf(connector_view(charger_ids=SCRIPTS, name="شركة (القابضة) 2026"))
    text = words(pdf)
    for name in ("充电站 北京", "충전소", "Ζεύς", "зарядка", "🚗⚡😀"):
        assert name in text
    assert b"pdfaid" in pdf


def test_han_is_drawn_as_the_country_does() -> None:
    """The same characters, other fonts."""
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


@pytest.mark.parametrize(
    ("name", "lacks"),
    [
        ("Highway Charging 高速 充電", "no font has 充 速 電 高 (CJK)"),
        ("ハイウェイ", "(Katakana)"),
        ("충전소", "(Hangul)"),
        ("สถานี", "(Thai)"),
        ("🚗⚡", "(symbols and emoji)"),
        ("\U000130b8 🚗 充", "no font has 充 \U000130b8 🚗 (CJK, Egyptian, symbols and emoji)"),
        ("一二三四五六", "no font has 一 三 二 五 六 … (CJK)"),
    ],
)
def test_a_document_without_its_letters_isnt_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, lacks: str
) -> None:
    """No box instead of a letter: the error names letters, scripts and what to install, wherever the name is."""
    monkeypatch.setenv("EVBILLING_FONTS", str(tmp_path))
    for view in (connector_view(name=name), account_view(description=name)):
        with pytest.raises(FontMissing) as raised:
            statement_pdf(view)
        assert lacks in raised.value.what
        assert raised.value.where == view.header.statement_id
        packages = set(re.findall(r"fonts-noto-[a-z-]+", raised.value.fix or ""))
        scripts = raised.value.what
        assert ("fonts-noto-cjk" in packages) == bool(re.search(r"CJK|Kana|Katakana|Hangul", scripts))
        assert ("fonts-noto-core" in packages) == bool(re.search(r"Thai|Egyptian", scripts))
        assert ("fonts-noto-color-emoji" in packages) == ("emoji" in scripts)


def test_the_fonts_of_the_extra_local_have_every_script(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without fonts of its own makes whole documents with the wheels alone."""
    monkeypatch.delenv("EVBILLING_FONTS", raising=False)
    monkeypatch.setattr(fonts, "_USUAL", ())
    pdf = statement_pdf(connector_view(charger_ids=SCRIPTS, name="شركة (القابضة) 2026"), locale="en_JP")
    assert b"pdfaid" in pdf
    assert "Noto Sans CJK JP" in fonts.families(fonts.font_folders(os.environ), "en_JP")


def test_plain_names_need_no_fonts_of_the_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What Typst brings does for Latin, Greek and Cyrillic, and the standard is kept."""
    monkeypatch.setenv("EVBILLING_FONTS", str(tmp_path))
    pdf = statement_pdf(paid_view(charger_ids=["Ähre", "Ζεύς", "зарядка"]), locale="fr_FR")
    assert b"pdfaid" in pdf
    assert "зарядка" in words(pdf)


@pytest.mark.parametrize("locale", ["en_JP", "de_CH", "es_MX", "fr_CA", "it_IT", "nl_NL", "pt_BR"])
def test_amounts_of_every_currency_need_no_fonts_of_the_system(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, locale: str
) -> None:
    """No box before an amount: only signs are written that Typst's own fonts have."""
    monkeypatch.setenv("EVBILLING_FONTS", str(tmp_path))
    amounts = [money(Decimal(1234), currency.code, locale) for currency in Currency]
    assert b"pdfaid" in statement_pdf(connector_view(charger_ids=[" ".join(amounts)]), locale=locale)


def test_a_folder_of_fonts_that_is_none_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """A wrong EVBILLING_FONTS isn't passed over."""
    assert fonts.font_folders(EMPTY) == ()
    assert "EVBILLING_FONTS names /nowhere, which isn't a folder" in caplog.text
