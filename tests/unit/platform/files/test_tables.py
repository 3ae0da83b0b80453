"""Files of the platform tables: what is read, and how exactly a bad one is refused."""

from __future__ import annotations

import csv
import gzip
import http.server
import io
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
import pytest

from evbilling.errors import BadInput, TransientError
from evbilling.platform import ACCOUNT, ACCOUNT_CHARGE, APP_USER, CHARGER, CONNECTOR, Column, Table
from evbilling.platform.files import check_files, csv_file, open_table, open_tables
from evbilling.platform.files.csv_file import plain_end, read_plain, read_with_lines
from evbilling.storage import public_name

CONNECTOR_HEADER = "charger_id,connector_id,standard,power_type,status,valid_from,valid_to\n"


def rows(folder: Path | str, table: Table) -> list[dict[str, object]]:
    return [row for batch in open_table(str(folder), table).batches() for row in batch.to_pylist()]


def refusal(folder: Path | str, table: Table) -> str:
    with pytest.raises(BadInput) as caught:
        rows(folder, table)
    return str(caught.value)


def write(folder: Path, table: Table, *lines: str, name: str | None = None) -> None:
    header = ",".join(column.name for column in table.columns if not column.optional)
    content = "\n".join([header, *lines]) + "\n"
    (folder / (name or f"{table.name}.csv")).write_bytes(content.encode())


def test_empty_is_null_and_quotes_and_line_breaks_are_kept(tmp_path: Path) -> None:
    write(tmp_path, ACCOUNT, 'a,"Say ""hi""\nthere",,"",NULL')
    assert rows(tmp_path, ACCOUNT) == [
        {
            "account_id": "a",
            "name": 'Say "hi"\nthere',
            "country": None,
            "time_zone": None,
            "currency": "NULL",
            "language": None,
        }
    ]


def test_an_optional_column_may_be_there_or_not(tmp_path: Path) -> None:
    """Without a column `language`, CSV and Parquet give null; so does an empty value."""
    plain = pa.table({c.name: pa.array(["x"]) for c in ACCOUNT.columns if not c.optional})
    for name, table, expected in [
        ("without", plain, [None]),
        ("with", plain.append_column("language", pa.array(["fr-BE"])), ["fr-BE"]),
        ("empty", plain.append_column("language", pa.array([""])), [None]),
    ]:
        folders = tmp_path / name / "csv", tmp_path / name / "parquet"
        for folder in folders:
            folder.mkdir(parents=True)
        arrow_csv.write_csv(table, folders[0] / "account.csv")
        pq.write_table(table, folders[1] / "account.parquet")
        for folder in folders:
            assert [row["language"] for row in rows(folder, ACCOUNT)] == expected


def test_an_optional_column_is_read_by_the_slow_reader_too(tmp_path: Path) -> None:
    """The reader that names lines agrees with the quick one on which fields are whose."""
    (tmp_path / "account.csv").write_text("language,account_id,name,country,time_zone,currency\nfr,,N,,,\n")
    assert "line 2, column account_id: is empty" in refusal(tmp_path, ACCOUNT)
    write(tmp_path, ACCOUNT, ",N,,,")
    assert "line 2, column account_id: is empty" in refusal(tmp_path, ACCOUNT)


def test_byte_order_mark_crlf_gzip_and_extra_columns(tmp_path: Path) -> None:
    text = "﻿currency,account_id,name,country,time_zone,note\r\nEUR,a,Ä,DE,Europe/Berlin,x\r\n"
    (tmp_path / "account.csv.gz").write_bytes(gzip.compress(text.encode()))
    file = open_table(tmp_path.as_uri(), ACCOUNT)
    assert file.ignored_columns() == ("note",)
    assert [batch.to_pylist()[0]["name"] for batch in file.batches()] == ["Ä"]


def test_header_only_is_an_empty_table(tmp_path: Path) -> None:
    write(tmp_path, CHARGER)
    assert rows(tmp_path, CHARGER) == []


def test_meaning_is_not_judged_here(tmp_path: Path) -> None:
    write(tmp_path, ACCOUNT, "a,A,XX,Mars/Olympus,ZZZ", "a,A,XX,Mars/Olympus,ZZZ")
    assert len(rows(tmp_path, ACCOUNT)) == 2


def test_lines_are_those_of_the_file_beyond_quoted_line_breaks_and_blank_lines(tmp_path: Path) -> None:
    write(
        tmp_path,
        CONNECTOR,
        'c,1,"two\r\nlines",,,2020-01-01T00:00:00Z,',
        "",
        "c,x,,,,2020-01-01T00:00:00Z,",
        "c,1,,,,,",
        "c,1,,,,2020-01-02T00:00:00Z,2020-01-02T00:00:00Z",
        "c,1",
    )
    message = refusal(tmp_path, CONNECTOR)
    assert "connector.csv, line 5, column connector_id: 'x' is not a whole number" in message
    assert "connector.csv, line 6, column valid_from: is empty, but is required" in message
    assert "line 7, column valid_to: 2020-01-02T00:00:00Z is not after valid_from" in message
    assert "connector.csv, line 8: has 2 fields where the header has 7" in message
    assert message.startswith("4 problems")


def test_the_first_twenty_problems_are_said_and_all_are_counted(tmp_path: Path) -> None:
    write(tmp_path, CONNECTOR, *[f"c,x{n},,,,2020-01-01T00:00:00Z," for n in range(30_000)])
    message = refusal(tmp_path, CONNECTOR)
    assert message.startswith("30,000 problems")
    assert "line 21, column" in message
    assert "line 22, column" not in message
    assert "and 29980 more" in message


HEAD = b"account_id,name,country,time_zone,currency\n"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "account.csv: is empty: not even a header"),
        (b"\xef\xbb\xbf", "account.csv: is empty: not even a header"),
        ("account_id,name\n".encode("utf-16"), "is it UTF-16"),
        ("account_id,name\n".encode("utf-16-le"), "is it UTF-16"),
        (b"account_id;name;country;time_zone;currency\n", "account.csv, line 1: separates its columns by semicolons"),
        (b'"account_id"\t"name"\t"country"\t"time_zone"\t"currency"\n', "line 1: separates its columns by tabs"),
        (b"account_id, name, country,time_zone,currency\n", "line 1, column name: is missing; ' name' isn't the same"),
        (b"ACCOUNT_ID,NAME,COUNTRY,TIME_ZONE,CURRENCY\n", "column currency: is missing; 'CURRENCY' isn't the same"),
        (b'account_id,"name" x,country,time_zone,currency\n', "line 1: has text after a closing quote"),
        (b'account_id,"name,country,time_zone,currency\na,b,c,d,e\n', "line 1: opens a quote that is never"),
        (b"account_id,name,name,country,time_zone,currency\n", "line 1, column name: is there twice"),
        (HEAD + b"a,\xff,,,\n", "line 2, column name: is not UTF-8: b'\\xff'"),
        (HEAD + b"a,x\x00y,,,\n", "line 2, column name: 'x\\x00y' has a NUL byte"),
        (HEAD + b'a,"x,,,\nb,,,,\n', "line 2: opens a quote that is never"),
        (HEAD + b'a,"x,,,\nb,"y,,,\nc,,,,\n', "line 2: has text after a clos"),
        (HEAD + b'a,b,c,d,e\nb,"Say "hi" there",,,\n', "line 3: has text after a closing quote; a quote inside a quo"),
        (HEAD + b'a,"x"y,,,\n', "line 2: has text after a closing quote"),
        (HEAD + b"a,b,c,d,e,\n", "line 2: has 6 fields where the header has 5"),
        (HEAD + b"a,b,c,d,e\n \n", "line 3: has 1 fields where the header has 5"),
    ],
)
def test_broken_files(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "account.csv").write_bytes(content)
    assert reason in refusal(tmp_path, ACCOUNT)


ROW = {"account_id": "a", "name": None, "country": None, "time_zone": None, "currency": None, "language": None}


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (HEAD + b'a,5" pipe,,,\n', ['5" pipe']),  # a quote within a field that isn't quoted is only a quote
        (HEAD + b'a, "x",,,\na,"y",,,\n', [' "x"', "y"]),
        (HEAD + b"a,x,,,\ra,y,,,\r\n\r\na,z,,,", ["x", "y", "z"]),
        (b"\n" + HEAD + b"\n\na,x,,,\n\n", ["x"]),
        (b'"account_id","name","country","time_zone","currency",""\n"a","x",,,"",\n', ["x"]),
        (b"\xef\xbb\xbf" + HEAD + b"a,\xef\xbb\xbf,,,\n", ["\ufeff"]),
        (HEAD[:-1] + b",note\na,x,,,,\xe4\x00\n", ["x"]),  # what is ignored isn't judged
    ],
)
def test_unusual_files_that_are_right(tmp_path: Path, content: bytes, names: list[str]) -> None:
    (tmp_path / "account.csv").write_bytes(content)
    assert rows(tmp_path, ACCOUNT) == [ROW | {"name": name} for name in names]


def test_no_field_that_is_ignored_is_too_long(tmp_path: Path) -> None:
    """Longer than a block and than a field of Python's `csv`, in the header and in rows, quoted and over lines."""
    ignored = [f"column_{n:06}" for n in range(20_000)]
    header = ",".join(["polygon", *ACCOUNT.column_names, *ignored])
    long = "8.1 50.2," * 600_000
    last = "," * len(ignored)
    lines = [f'"{long}",a,"two\nlines",,,,{last}', f',a,5" pipe,,,,{last}', f'"{long}\n{long}",a,"x, y",,,,{last}']
    (tmp_path / "account.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    assert rows(tmp_path, ACCOUNT) == [ROW | {"name": name} for name in ("two\nlines", '5" pipe', "x, y")]
    (tmp_path / "account.csv").write_text("\n".join([header, *lines, f",,no id,,,,{last}"]), encoding="utf-8")
    assert "account.csv, line 7, column account_id: is empty, but is required" in refusal(tmp_path, ACCOUNT)


def test_plain_records_are_read_quickly_however_long() -> None:
    long = b"x" * (3 << 20)
    records = b"a,b\n" + long + b',"' + long + b'\n""\n"\nc,d\n'
    assert plain_end(records, is_last=False) == len(records)
    read = read_plain(pa.py_buffer(records), TWO, TWO.column_names)
    assert read is not None
    assert read.num_rows == 3


def test_a_quote_that_is_never_closed_ends_the_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_file, "_BLOCK", 1 << 10)
    monkeypatch.setattr(csv_file, "_LONGEST", 64 << 10)
    lines = [b"a,x,,,"] * 5_000
    (tmp_path / "account.csv").write_bytes(HEAD + b"\n".join([*lines, b'a,"x,,,', *lines, *lines]))
    message = refusal(tmp_path, ACCOUNT)
    assert message.startswith("1 problem,")
    assert "account.csv, line 5002: begins a row of more than" in message
    assert "is there a quote that is never closed?" in message


@pytest.mark.parametrize("block", [1, 7, 64, 1_000])
def test_blocks_are_cut_where_records_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(csv_file, "_BLOCK", block)
    names = ["x", "two\r\nlines", 'Say "hi"', "ä, ö", '""', "\n"] * 5
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(ACCOUNT.column_names)
    writer.writerows(["a", name, "", "", "", ""] for name in names)
    (tmp_path / "account.csv").write_bytes(b"\xef\xbb\xbf" + text.getvalue().encode())
    assert [row["name"] for row in rows(tmp_path, ACCOUNT)] == names
    (tmp_path / "account.csv").write_bytes(text.getvalue().encode() + b",,,,,\r\n")
    assert "account.csv, line 42, column account_id: is empty" in refusal(tmp_path, ACCOUNT)


def test_damaged_gzip_files(tmp_path: Path) -> None:
    packed = gzip.compress(b"account_id,name,country,time_zone,currency\n" + b"a,,,,\n" * 100_000)
    (tmp_path / "account.csv.gz").write_bytes(packed + gzip.compress(b"b,,,,\n"))  # two members are one content
    assert [row["account_id"] for row in rows(tmp_path, ACCOUNT)][-2:] == ["a", "b"]
    (tmp_path / "account.csv.gz").write_bytes(packed[:-20])
    assert "account.csv.gz: ends in the middle: it was cut off" in refusal(tmp_path, ACCOUNT)
    (tmp_path / "account.csv.gz").write_bytes(b"account_id,name,country,time_zone,currency\n")
    assert "account.csv.gz: is not a good gzip file" in refusal(tmp_path, ACCOUNT)


def test_every_missing_and_double_file_is_named(tmp_path: Path) -> None:
    write(tmp_path, ACCOUNT)
    write(tmp_path, ACCOUNT, name="account.csv.gz")
    write(tmp_path, CHARGER)
    with pytest.raises(BadInput) as caught:
        open_tables(str(tmp_path))
    message = str(caught.value)
    assert "account.csv: is there beside account.csv.gz" in message
    for name in ("app_user", "connector", "account_charge"):
        assert f"{name}.csv: is missing" in message
    assert "charger.csv" not in message


def test_problems_of_all_files_are_said_together(tmp_path: Path) -> None:
    write(tmp_path, ACCOUNT, ",,,,")
    write(tmp_path, APP_USER, "u,,,,maybe,,")
    for table in (CHARGER, CONNECTOR, ACCOUNT_CHARGE):
        write(tmp_path, table)
    with pytest.raises(BadInput, match=r"(?s)2 problems.*account\.csv, line 2.*app_user\.csv, line 2"):
        check_files(str(tmp_path))


def test_no_such_folder_and_unknown_scheme(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no such folder"):
        open_table(str(tmp_path / "nowhere"), ACCOUNT)
    with pytest.raises(BadInput, match="ftp:// is not a folder"):
        open_table("ftp://host/x", ACCOUNT)


def charge_table(**changed: pa.Array) -> pa.Table:
    moment = pa.array([datetime(2020, 1, 1, tzinfo=UTC)], pa.timestamp("ns", "UTC"))
    values = {c.name: pa.array(["x"]) for c in ACCOUNT_CHARGE.columns} | {"occurred_at": moment}
    amounts = {n: pa.array([Decimal("1.10")]) for n in ("net_amount", "tax_amount", "settled_amount")}
    return pa.table(values | amounts | changed)


def test_parquet_refusals_name_column_and_row(tmp_path: Path) -> None:
    path = tmp_path / "account_charge.parquet"
    pq.write_table(charge_table(net_amount=pa.array([1.1])), path)
    assert "column net_amount: is of type double" in refusal(tmp_path, ACCOUNT_CHARGE)
    pq.write_table(charge_table(tax_amount=pa.array(["1e3"])), path)
    assert "row 1, column tax_amount: '1e3' is not an amount" in refusal(tmp_path, ACCOUNT_CHARGE)
    path.write_bytes(b"PAR1 or not")
    assert "is not a Parquet file" in refusal(tmp_path, ACCOUNT_CHARGE)


def test_decimals_of_any_scale_are_exact_amounts(tmp_path: Path) -> None:
    path = tmp_path / "account_charge.parquet"
    for kind in (pa.decimal128(38, 9), pa.decimal128(38, 18), pa.decimal256(76, 40)):
        values = {"net_amount": "12.5", "tax_amount": "0", "settled_amount": "-999999999999.999999"}
        pq.write_table(charge_table(**{name: pa.array([Decimal(v)], kind) for name, v in values.items()}), path)
        (row,) = rows(tmp_path, ACCOUNT_CHARGE)
        assert {name: row[name] for name in values} == {name: Decimal(v) for name, v in values.items()}
    pq.write_table(charge_table(tax_amount=pa.array([Decimal("0.000000001")], pa.decimal128(38, 9))), path)
    assert "row 1, column tax_amount: '0.000000001' is not an amount" in refusal(tmp_path, ACCOUNT_CHARGE)


def test_times_of_any_unit_are_the_same_instants(tmp_path: Path) -> None:
    path = tmp_path / "account_charge.parquet"
    moments = [datetime(1, 1, 1, tzinfo=UTC), datetime(1601, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)]
    for unit in ("s", "ms", "us"):
        for zone in (None, "UTC", "Europe/Berlin"):
            for is_int96 in (False, True):
                written = pa.array([m if zone else m.replace(tzinfo=None) for m in moments], pa.timestamp(unit, zone))
                charges = pa.concat_tables([charge_table()] * len(moments))
                charges = charges.set_column(charges.schema.names.index("occurred_at"), "occurred_at", written)
                pq.write_table(charges, path, use_deprecated_int96_timestamps=is_int96)
                assert [row["occurred_at"] for row in rows(tmp_path, ACCOUNT_CHARGE)] == moments, (unit, zone, is_int96)


def test_text_that_is_not_utf8_is_named_by_row(tmp_path: Path) -> None:
    raw = pa.array([b"B\xe4ckerei K\xf6ln"])
    for values in (raw, pa.Array.from_buffers(pa.string(), 1, raw.buffers())):
        pq.write_table(charge_table(description=values), tmp_path / "account_charge.parquet")
        reason = "is not UTF-8: b'B\\xe4ckerei K\\xf6ln'; write texts as UTF-8"
        assert f"account_charge.parquet, row 1, column description: {reason}" in refusal(tmp_path, ACCOUNT_CHARGE)


class _Cutting(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; of `app_user.csv` it sends less than it promised, of `charger` only 503."""

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path.endswith("/app_user.csv"):
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write((",".join(APP_USER.column_names) + "\n").encode())
        else:
            super().do_GET()

    def do_HEAD(self) -> None:
        if "charger" in self.path:
            self.send_error(503)
        elif self.path.endswith("/app_user.csv"):
            self.send_response(200)
            self.end_headers()
        else:
            super().do_HEAD()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Cutting, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_folder_behind_http(tmp_path: Path, served: str) -> None:
    (tmp_path / "in").mkdir()
    write(tmp_path / "in", ACCOUNT, "a,A,DE,Europe/Berlin,EUR")
    pq.write_table(charge_table(), tmp_path / "in" / "account_charge.parquet")
    assert rows(f"{served}/in/", ACCOUNT)[0]["currency"] == "EUR"
    assert len(rows(f"{served}/in", ACCOUNT_CHARGE)) == 1
    assert "connector.csv: is missing" in refusal(f"{served}/in", CONNECTOR)


def test_http_trouble_may_be_tried_again(served: str) -> None:
    with pytest.raises(TransientError, match="503"):
        rows(served, CHARGER)
    with pytest.raises(TransientError, match="broke off"):
        rows(served, APP_USER)
    with pytest.raises(TransientError, match="doesn't answer"):
        rows("http://127.0.0.1:9/x", ACCOUNT)


TWO = Table("two", (Column("a", "text"), Column("b", "text")))
# What matters to a reader of CSV, a byte that isn't UTF-8, and a mark that Arrow would leave out.
PIECES = (b'"', b",", b"\n", b"\r", b"x", b"\xe4", b" ", b"\xef\xbb\xbf", "ä".encode(), b"\x00")
WEIGHTS = (8, 6, 4, 2, 4, 1, 1, 1, 1, 1)


def both_readings(data: bytes) -> tuple[list[object], list[object]] | None:
    """`data` as Arrow would be given it, and as Python's `csv` reads it; None if Arrow wouldn't get it."""
    end = plain_end(data, is_last=True)
    quick = read_plain(pa.py_buffer(data[:end]), TWO, TWO.column_names) if end else None
    if quick is None:
        return None
    with_lines = read_with_lines(data, TWO, TWO.column_names, line=1, is_last=True)
    return quick.to_pylist(), [*with_lines.batch.to_pylist(), *with_lines.faults]


def test_two_readers_of_csv_never_disagree(full: bool) -> None:
    random = Random(14)  # ruff: ignore[suspicious-non-cryptographic-random-usage]
    read = 0
    for _ in range(50_000 if full else 1_500):
        pieces = random.choices(PIECES, WEIGHTS, k=random.randint(1, 14))
        readings = both_readings(b"".join(pieces))
        if readings:
            assert readings[0] == readings[1], pieces
            read += 1
    assert read > 100


def test_messages_keep_secrets_to_themselves() -> None:
    assert public_name("s3://KEY:SECRET@bucket/in?region=x") == "s3://bucket/in"
    with pytest.raises(TransientError) as caught:
        open_table("http://u:hidden@127.0.0.1:9/x?sig=hidden", ACCOUNT)
    assert "hidden" not in str(caught.value)
