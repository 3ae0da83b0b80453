"""CSV that can be read back, that no spreadsheet calculates, and that is never whole in memory."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from evbilling.csv_output import CSV_FORMS, csv_chunks
from evbilling.read_models.statement_list.csv_export import statements_csv
from evbilling.read_models.statement_list.listing import ExportedStatement

HOSTILE = [
    "=1+1",
    "+49 30",
    "-2",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "<script>alert(1)</script>",
    'a "quoted" name',
    "two\nlines",
    "semi;colon, comma",
    "شركة الشحن",
    "充電",
    "🔌" * 300,
    "'already",
    "",
    " ",
    "=cmd|' /C calc'!A0",
]
TEXT = st.text(st.characters(exclude_categories=("Cs",))) | st.sampled_from(HOSTILE)


def read(pieces: list[bytes]) -> list[list[str]]:
    """The rows as a reader of CSV sees them."""
    return list(csv.reader(io.StringIO(b"".join(pieces).decode("utf-8-sig"), newline="")))


@given(st.lists(st.tuples(TEXT, TEXT), max_size=5))
def test_texts_come_back_and_none_is_a_formula(rows: list[tuple[str, str]]) -> None:
    """Each is itself, or has the apostrophe that keeps it from being calculated, and only where it must."""
    header, *found = read(list(csv_chunks(["a", "b"], rows)))
    assert header == ["a", "b"]
    for texts, cells in zip(rows, found, strict=True):
        for text, cell in zip(texts, cells, strict=True):
            assert cell[:1] not in {"=", "+", "-", "@", "\t", "\r", "\0"} or not cell
            assert cell == (f"'{text}" if text[:1] and text[0] in "=+-@\t\r\0" else text)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**18), max_value=10**18))
def test_numbers_stay_numbers(amount: Decimal) -> None:
    """A credit begins with its minus sign and has no apostrophe; no number is written with an exponent."""
    _, [cell] = read(list(csv_chunks(["amount"], [[amount]])))
    assert Decimal(cell) == amount
    assert set(cell) <= set("-.0123456789")


def test_a_file_is_as_rfc_4180_has_it() -> None:
    """With its mark, lines that end in CR LF, quotes doubled; times in UTC, nothing for what there isn't."""
    there = datetime(2026, 11, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    (piece,) = csv_chunks(["a", "b"], [['x "y", z', None], [there, date(2026, 11, 1)], [-5, Decimal("1E+3")]])
    lines = ['"x ""y"", z",', "2026-11-01 12:00:00,2026-11-01", "-5,1000"]
    assert piece == ("\ufeffa,b\r\n" + "".join(f"{line}\r\n" for line in lines)).encode()


def test_a_german_spreadsheet_has_its_separator_and_decimal_sign() -> None:
    """Only amounts change; a text with a separator is in quotes, and a formula stays a text."""
    (piece,) = csv_chunks(["a", "b"], [["x;y, 1.5", Decimal("-1234.50")], ["=1", 7]], CSV_FORMS["semicolon"])
    assert piece.decode("utf-8-sig") == 'a;b\r\n"x;y, 1.5";-1234,50\r\n\'=1;7\r\n'


def test_pieces_come_as_rows_do() -> None:
    """The first piece is there long before the last row was asked for."""
    asked = []
    pieces = csv_chunks(["n"], ([asked.append(n) or n] for n in range(100_000)))  # type: ignore[func-returns-value]
    next(pieces)
    assert len(asked) < 1_000
    assert len(b"".join(pieces).splitlines()) + len(asked) > 99_000


def test_a_statement_in_finances_words() -> None:
    """One cell a word of the header; a hostile name is a text, a credit a number."""
    line = ExportedStatement(
        "A-202611-000001",
        "connector",
        "=acc",
        '@"<b>',
        "fa",
        "2026-11",
        date(2026, 11, 1),
        datetime(2026, 11, 1, 12, tzinfo=UTC),
        3,
        "KWD",
        Decimal("1.500"),
        Decimal("2.000"),
        Decimal("-0.500"),
        "Paid",
        None,
        Decimal("1.261"),
        Decimal("0.239"),
        Decimal("0.19"),
        date(2026, 11, 2),
        "Payment gateway",
        "pi_1",
        None,
        None,
    )
    header, row = read(list(statements_csv([line])))
    assert header == [
        "Statement",
        "Type",
        "Account",
        "Account name",
        "Financial admin",
        "Period",
        "Statement date",
        "Issued at (UTC)",
        "Connectors",
        "Currency",
        "Total",
        "Paid",
        "Balance due",
        "Status",
        "Corrects",
        "Net",
        "Tax",
        "Tax rate",
        "Paid on",
        "Method",
        "Payments",
        "References",
        "Last decline",
    ]
    assert row == [
        "A-202611-000001",
        "Account Chargers",
        "'=acc",
        "'@\"<b>",
        "fa",
        "2026-11",
        "2026-11-01",
        "2026-11-01 12:00:00",
        "3",
        "KWD",
        "1.500",
        "2.000",
        "-0.500",
        "Paid",
        "",
        "1.261",
        "0.239",
        "0.19",
        "2026-11-02",
        "Payment gateway",
        "pi_1",
        "",
        "",
    ]
