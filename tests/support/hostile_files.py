"""Folders of the five tables as hostile but valid files, and folders with one fault each.

The values of a valid folder come first, as the contract means them; each column is then written in one of the forms
that the contract accepts. `read_independently` reads the files without the product and, of Parquet, without Arrow.
"""

from __future__ import annotations

import csv
import gzip
import io
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from evbilling.platform import TABLES, Column, Table

# By column; a time is microseconds since 1970, UTC.
Columns = dict[str, list[Any]]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999
_NANOSECONDS_REACH = 9_223_372_036_000_000  # in microseconds, both ways
_TEXTS = [
    *("a", "A", " a", "a ", "NULL", "null", "NaN", "None", "0", "1e3", "007", "-", "#", "=1+1", "x" * 3_000),
    *('"', '""', 'Say "hi" there', '5" pipe', "a,b", "a;b", "'", "\\", "\\N", "\\."),
    *("two\nlines", "two\r\nlines", "\r", "\t", "\x01", "\x1a", "\x85", "\u2028", "\u00a0", "\u200b", "\ufeff"),
    *("充電器", "محطة الشحن", "🔌🚗", "e\u0301", "\U0010ffff"),
]
_WORDS = {True: ("true", "T", "Yes", "y", "ON", "1"), False: ("false", "F", "No", "n", "OFF", "0")}
_INTEGERS = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
_DECIMALS = [(18, 6), (38, 9), (38, 18), (20, 7), (50, 6), (76, 40)]
_CODECS = ["none", "snappy", "gzip", "zstd", "brotli", "lz4"]


def write_folder(folder: Path, random: Random) -> dict[str, Columns]:
    """The five files in random forms; returns what they mean, by table."""
    folder.mkdir(parents=True)
    meaning = {}
    for table in TABLES:
        rows = random.choice((0, 1, 3, 40))
        meaning[table.name] = columns = {column.name: _values(column, rows, random) for column in table.columns}
        if "valid_to" in columns:
            columns["valid_to"] = [
                end if end is None or end > begin else None
                for begin, end in zip(columns["valid_from"], columns["valid_to"], strict=True)
            ]
        write = random.choice((_write_csv, _write_parquet))
        write(folder, table, columns, random)
    return meaning


def _values(column: Column, rows: int, random: Random) -> list[Any]:
    """Valid values of one column, extreme ones above all; of one kind, so that a narrow type may hold them."""
    step = random.choice((1, 1_000, 1_000_000))
    near = random.random() < 0.5
    digits = Decimal(1).scaleb(-random.choice((0, 2, 6)))
    made: dict[str, Callable[[], Any]] = {
        "text": random.choice((
            lambda: random.choice(_TEXTS),
            lambda: str(random.choice((0, 7, 127, 2**31, 2**63 - 1))),
            lambda: str(uuid.UUID(int=random.getrandbits(128))),
        )),
        "boolean": lambda: random.random() < 0.5,
        "integer": lambda: random.choice((0, 1, 2, 127) if near else (-1, 128, 32_768, 2**31 - 1, -(2**31))),
        "timestamp": lambda: (
            random.choice(
                (random.randint(0, 2 * 10**15), -step, 0, step, -11_644_473_600_000_000)
                if near
                else (
                    _FIRST,
                    _LAST,
                    random.randint(_FIRST, _LAST),
                    -_NANOSECONDS_REACH - step,
                    _NANOSECONDS_REACH + step,
                )
            )
            // step
            * step
        ),
        "amount": lambda: random.choice((
            *(Decimal(0), Decimal("999999999999.999999"), Decimal("-0.000001"), Decimal("12.50")),
            Decimal(random.randint(-(10**17), 10**17)).scaleb(-6),
        )).quantize(digits, "ROUND_DOWN"),
    }
    nulls = 0.0 if column.required else random.choice((0.0, 0.3, 1.0))
    return [None if random.random() < nulls else made[column.type]() for _ in range(rows)]


def _text(column: Column, value: Any, random: Random) -> str:
    """A value as one of the texts that the contract takes for it."""
    if column.type == "boolean":
        return random.choice(_WORDS[value])
    if column.type == "timestamp":
        return _time(value, random)
    if column.type == "amount":
        return f"{value:f}" + ("000" if "." in f"{value:f}" and random.random() < 0.3 else "")
    return str(value)


def _time(value: int, random: Random) -> str:
    offset, suffix = random.choice((
        (0, "Z"),
        (0, "+00:00"),
        (0, "+00"),
        (0, ""),
        (345, "+05:45"),
        (-210, "-0330"),
        (-660, "-11"),
    ))
    if not _FIRST + 10**11 < value < _LAST - 10**11:
        offset, suffix = 0, "Z"
    moment = (_EPOCH + timedelta(microseconds=value)).astimezone(timezone(timedelta(minutes=offset)))
    text = moment.strftime("%m-%dT%H:%M:%S.%f")
    text = text.removesuffix(".000000") if random.random() < 0.8 else f"{text}999"  # which are dropped
    return f"{moment.year:04}-{text}{suffix}".replace("T", random.choice("T "))


def _write_csv(folder: Path, table: Table, columns: Columns, random: Random) -> None:
    names = list(table.column_names)
    if all(value is None for value in columns.get("language", ["x"])):
        names.remove("language")
    ignored = random.sample(["note", "", "x,y", "NAME2", "ä"], random.randint(0, 3))
    header = random.sample([*names, *ignored], len(names) + len(ignored))
    line_end = random.choice(("\n", "\r\n", "\r"))
    quote = random.choice((0.0, 0.5, 1.0))
    types = {column.name: column for column in table.columns}
    text = io.StringIO(newline="")

    def write(fields: list[str]) -> None:
        text.write(",".join(_field(field, quote > random.random()) for field in fields))
        text.write(line_end * random.choice((1, 1, 2)))

    write(header)
    for row in range(len(columns[names[0]])):
        fields = []
        for name in header:
            value = (
                columns[name][row] if name in types else random.choice(("", "\udce4", "x\ny", '1" y', "z" * 200_000))
            )
            fields.append("" if value is None else _text(types[name], value, random) if name in types else value)
        write(fields)
    content = text.getvalue()
    if random.random() < 0.3:
        content = content.rstrip("\r\n")
    data = random.choice((b"", b"\xef\xbb\xbf")) + content.encode("utf-8", "surrogateescape")
    if random.random() < 0.3:
        cut = random.randint(0, len(data))
        (folder / f"{table.name}.csv.gz").write_bytes(gzip.compress(data[:cut], 1) + gzip.compress(data[cut:], 1))
    else:
        (folder / f"{table.name}.csv").write_bytes(data)


def _field(field: str, is_quoted: bool) -> str:
    if is_quoted or field.startswith('"') or any(mark in field for mark in ",\r\n"):
        return '"' + field.replace('"', '""') + '"'
    return field


def _write_parquet(folder: Path, table: Table, columns: Columns, random: Random) -> None:
    path = folder / f"{table.name}.parquet"
    is_by_duckdb = random.random() < 0.3
    arrays = {
        column.name: random.choice(list(_arrays(column, columns[column.name], random)))
        for column in table.columns
        if not (column.optional and set(columns[column.name]) <= {None})
    }
    if is_by_duckdb:  # which has no decimals of more than 38 digits
        arrays = {n: v.cast(pa.decimal128(38, 9)) if pa.types.is_decimal256(v.type) else v for n, v in arrays.items()}
    rows = len(columns[table.columns[0].name])
    ignored = {
        "note": pa.nulls(rows),
        "extra": pa.array([{"account_id": 1}] * rows, pa.struct({"account_id": pa.int8()})),
    }
    names = random.sample([*arrays, *ignored], len(arrays) + len(ignored))
    has_nanoseconds = any(pa.types.is_timestamp(v.type) and v.type.unit == "ns" for v in arrays.values())
    pq.write_table(
        pa.table({name: arrays[name] if name in arrays else ignored[name] for name in names}),
        path,
        compression=random.choice(_CODECS),
        use_dictionary=random.random() < 0.5,
        data_page_version=random.choice(("1.0", "2.0")),
        version=random.choice(("2.4", "2.6")) if not has_nanoseconds else "2.6",
        row_group_size=random.choice((1, 7, 1_000)),
        data_page_size=random.choice((16, 1 << 20)),
        store_schema=random.random() < 0.6,
        use_deprecated_int96_timestamps=not has_nanoseconds and random.random() < 0.3,
        write_page_checksum=random.random() < 0.5,
    )
    if is_by_duckdb:
        codec = random.choice(("uncompressed", "snappy", "gzip", "zstd", "brotli", "lz4_raw"))
        other = path.with_suffix(".by_duckdb")
        # In version 2 DuckDB packs 32-bit numbers that are far apart in a form that Arrow refuses.
        is_packed = any(pa.types.is_integer(values.type) and values.type.bit_width <= 32 for values in arrays.values())
        version = "v1" if is_packed else random.choice(("v1", "v2"))
        options = f"format parquet, codec '{codec}', parquet_version {version}"
        with duckdb.connect() as connection:
            connection.execute(f"copy (select * from read_parquet('{path}')) to '{other}' ({options})")
        other.replace(path)


def _arrays(column: Column, values: list[Any], random: Random) -> Iterator[pa.Array]:
    """The column in the types of Parquet that the contract accepts and that can hold its values."""
    known = [value for value in values if value is not None]
    if not known:
        yield pa.nulls(len(values))
    if column.type == "boolean":
        yield pa.array(values, pa.bool_())
    if column.type == "timestamp":
        zone = random.choice((None, "UTC", "Europe/Berlin"))
        for unit, step in (("us", 1), ("ms", 1_000), ("s", 1_000_000)):
            if all(value % step == 0 for value in known):
                yield pa.array([v if v is None else v // step for v in values], pa.timestamp(unit, zone))
        if all(abs(value) < _NANOSECONDS_REACH for value in known):
            yield pa.array([v if v is None else v * 1_000 + 999 for v in values], pa.timestamp("ns", zone))
    if column.type == "amount":
        for precision, scale in _DECIMALS:
            kind = pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)
            yield pa.array(values, kind)
    texts = [None if value is None else _text(column, value, random) for value in values]
    for kind in (pa.string(), pa.large_string(), pa.string_view(), pa.binary()):
        yield pa.array(texts, pa.string()).cast(kind)
    yield pa.array(texts, pa.string()).dictionary_encode()
    numbers = [v if v is None else int(v) for v in values] if _are_whole(column, known) else None
    if numbers is not None:
        yield pa.array(numbers, pa.decimal128(38, 0))
        for kind in _INTEGERS:
            try:
                yield pa.array(numbers, kind)
            except (pa.ArrowInvalid, OverflowError):
                continue
    if column.type == "text" and known and all(len(value) == 36 and value.count("-") == 4 for value in known):
        yield pa.array([v if v is None else uuid.UUID(v).bytes for v in values], pa.uuid())


def _are_whole(column: Column, known: list[Any]) -> bool:
    if column.type == "text":
        return all(value.isascii() and value.isdigit() and str(int(value)) == value for value in known)
    return column.type == "integer" or (column.type == "amount" and all(value == int(value) for value in known))


def read_independently(folder: Path) -> dict[str, Columns]:
    """The five tables as Python's `csv` and DuckDB read them; `...` for a column that DuckDB has no type for."""
    found = {}
    for table in TABLES:
        path = next(folder.glob(f"{table.name}.*"))
        read = _read_parquet(path, table) if path.suffix == ".parquet" else _read_csv(path)
        rows = len(next(iter(read.values())))
        found[table.name] = {
            column.name: [_meaning(column, value) for value in read.get(column.name, [None] * rows)]
            for column in table.columns
        }
    return found


def _read_csv(path: Path) -> Columns:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    csv.field_size_limit(1 << 30)
    header, *rows = [
        row for row in csv.reader(io.StringIO(data.decode("utf-8-sig", "surrogateescape"), newline="")) if row
    ]
    return {name: [row[place] for row in rows] for place, name in enumerate(header)}


def _read_parquet(path: Path, table: Table) -> Columns:
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("set timezone = 'UTC'")
        rows = connection.read_parquet(str(path))
        kinds = {
            name: str(kind) for name, kind in zip(rows.columns, rows.types, strict=True) if name in table.column_names
        }
        forms = {name: f"{name}::varchar" for name in kinds}
        for name, kind in kinds.items():
            if kind in {"BLOB", "BOOLEAN", "DOUBLE"}:
                forms[name] = name
            elif kind.startswith("TIMESTAMP"):
                forms[name] = f"epoch_us({name}::timestamp_ns)" if "NS" in kind else f"epoch_us({name})"
        found = rows.project(", ".join(forms.values())).fetchall()
    columns = {name: [row[place] for row in found] for place, name in enumerate(forms)}
    return {name: [...] * len(found) if kinds[name] == "DOUBLE" else values for name, values in columns.items()}


def _meaning(column: Column, value: Any) -> Any:
    value = value.decode() if isinstance(value, bytes) else value
    if value in {None, ""} or value is ...:
        return value or None
    if column.type == "boolean" and isinstance(value, str):
        return value.lower() in {word.lower() for word in _WORDS[True]}
    if column.type == "integer":
        return int(value)
    if column.type == "timestamp" and isinstance(value, str):
        moment = datetime.fromisoformat(value)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return (moment - _EPOCH) // timedelta(microseconds=1)
    return Decimal(value) if column.type == "amount" else value


# What the columns of a type may not contain, as texts of CSV and Parquet.
_BAD_TEXTS = {
    "text": ["a\x00b"],
    "boolean": ["maybe", "2", "-1", " true", "tru", "\uff59", "none"],
    "integer": ["1.0", "1e3", "0x10", " 1", "+1", "1_000", "1,000", "2147483648", "-2147483649", "9" * 30, "٣", "NaN"],
    "timestamp": [
        *("2020-10-31", "2020-10-31T24:00:00Z", "2016-12-31T23:59:60Z", "2021-02-29T00:00:00Z", "2020-13-01T00:00:00Z"),
        *(
            "31.10.2020 00:00",
            "10/31/2020 00:00",
            "2020-10-31T23",
            "2020-10-31 23:59:59,5",
            "2020-10-31T23:59:59+24:00",
        ),
        *("0000-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "10000-01-01T00:00:00Z"),
        *("1604188799", "now", "infinity", " 2020-10-31T23:59:59Z", "2020-10-31T23:59:59 Europe/Berlin"),
    ],
    "amount": [
        *("1,50", "1.234,50", "1,234.50", "1'234.50", "€5", "5 EUR", "$5.00", "1e3", "0E-9", "+5", ".5", "5.", " 5"),
        *("NaN", "inf", "1000000000000", "0.0000001", "1.00000010", "(5.00)", "5-", "٣", "--5", ""),
    ],
}
_TYPES = [
    *(pa.bool_(), pa.float32(), pa.float64(), pa.date32(), pa.date64(), pa.time32("s"), pa.time64("us")),
    *(pa.timestamp("us"), pa.decimal128(9, 2), pa.int64(), pa.binary(16)),
    *(pa.list_(pa.string()), pa.struct({"x": pa.string()}), pa.map_(pa.string(), pa.string())),
]
_GOOD_TYPES = {
    "text": {"int64"},
    "boolean": {"bool", "int64"},
    "integer": {"int64"},
    "timestamp": {"timestamp[us]"},
    "amount": {"decimal128(9, 2)", "int64"},
}
_BAD_ARRAYS = {
    "text": [pa.array([b"B\xe4ckerei"]), pa.array([b"\xff\xfeA\x00"]), pa.array([b"a\x00b"])],
    "boolean": [pa.array([2]), pa.array([-1], pa.int8())],
    "integer": [
        *(pa.array([2**31]), pa.array([-(2**31) - 1]), pa.array([2**64 - 1], pa.uint64())),
        pa.array([Decimal(10**20)], pa.decimal128(38, 0)),
    ],
    "timestamp": [
        *(pa.array([value], pa.timestamp("s")) for value in (-62_135_596_801, 253_402_300_800, 10**13, -(2**50))),
        *(pa.array([value], pa.timestamp("ms", "UTC")) for value in (253_402_300_800_000, 2**62)),
        *(pa.array([value], pa.timestamp("us")) for value in (_FIRST - 1, _LAST + 1, 2**63 - 1)),
    ],
    "amount": [
        *(pa.array([Decimal(text)], pa.decimal128(38, 18)) for text in ("0.0000001", "0.000000000000000001")),
        *(pa.array([Decimal(text)], pa.decimal128(38, 9)) for text in ("1000000000000", "-12.500000001")),
        *(pa.array([Decimal(text)], pa.decimal256(76, 0)) for text in ("9" * 76, "1000000000000")),
        *(pa.array([10**12]), pa.array([2**64 - 1], pa.uint64())),
    ],
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One file that breaks the contract: its name and content, and what the message must have."""

    file: str
    content: bytes
    words: tuple[str, ...]


def faults(table: Table) -> Iterator[Fault]:
    """Faults of a file of `table`, each in a file that is right otherwise."""
    for column in table.columns:
        for text in _BAD_TEXTS[column.type]:
            if text or column.required:
                row = _right(table) | {column.name: text}
                yield Fault(
                    f"{table.name}.csv", _csv(table, [_right(table), row]), ("line 3", f"column {column.name}:")
                )
        for kind in _TYPES:
            if str(kind) not in _GOOD_TYPES[column.type]:
                data = _parquet(table, {column.name: pa.nulls(2, kind)})
                yield Fault(f"{table.name}.parquet", data, (f"column {column.name}: is of type",))
        bad_arrays = [*_BAD_ARRAYS[column.type], *(pa.array([t]) for t in _BAD_TEXTS[column.type] if t)]
        for bad in bad_arrays:
            good = pa.nulls(1, bad.type) if not column.required else bad
            values = pa.concat_arrays([good, bad])
            row = "row 2" if not column.required else "row 1"
            yield Fault(
                f"{table.name}.parquet", _parquet(table, {column.name: values}), (row, f"column {column.name}:")
            )
            if pa.types.is_binary(bad.type):  # as a string that nobody has checked
                unchecked = pa.Array.from_buffers(pa.string(), len(values), values.buffers())
                data = _parquet(table, {column.name: unchecked})
                yield Fault(f"{table.name}.parquet", data, (row, f"column {column.name}:"))
        if column.required:
            data = _parquet(table, {column.name: pa.nulls(2)})
            yield Fault(f"{table.name}.parquet", data, ("row 1", f"column {column.name}: is empty, but is required"))
    yield from _faults_of_csv(table)
    yield from _faults_of_parquet(table)


def _right(table: Table) -> dict[str, str]:
    texts = {"text": "x", "boolean": "true", "integer": "1", "timestamp": "2020-01-01T00:00:00Z", "amount": "1.00"}
    return {column.name: "" if column.name == "valid_to" else texts[column.type] for column in table.columns}


def _csv(table: Table, rows: list[dict[str, str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, table.column_names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _parquet(table: Table, changed: dict[str, pa.Array], **options: Any) -> bytes:
    sink = io.BytesIO()
    arrays = {name: pa.array([text or None] * 2) for name, text in _right(table).items()}
    pq.write_table(pa.table(arrays | changed), sink, **options)
    return sink.getvalue()


def _faults_of_csv(table: Table) -> Iterator[Fault]:
    name, columns = f"{table.name}.csv", table.column_names
    first, second = columns[:2]
    right = _csv(table, [_right(table)] * 2)
    header, row, _ = right.splitlines(keepends=True)
    for content, words in (
        (b"", "is empty"),
        (right.decode().encode("utf-16"), "is it UTF-16"),
        (right.replace(b",", b";"), "separates its columns by semicolons"),
        (right.replace(b",", b"\t"), "separates its columns by tabs"),
        (right.upper(), f"column {first}: is missing"),
        (right.replace(b",", b", "), f"column {second}: is missing"),
        (header.replace(second.encode(), first.encode()) + row, f"column {first}: is there twice"),
        (header + row + b'x"y",' + row, "line 3: has"),
        (header + row + row.replace(b"x", b'"Say "hi" there"', 1), "line 3: has text after a closing quote"),
        (header + row + row.replace(b"x", b'"x', 1), "line 3: opens a quote that is never closed"),
        (header + row.replace(b"x", b"B\xe4ckerei", 1), f"line 2, column {first}: is not UTF-8"),
        (header + row.replace(b"x", b"x\x00", 1), f"line 2, column {first}: 'x\\x00'"),
        (header + b"\n" + row[:-1] + b",\n", f"line 3: has {len(columns) + 1} fields"),
        (header + row + b"x\n", "line 3: has 1 fields"),
        (header + row[:-1] + b"," + row, "line 2: has"),
        (gzip.compress(right), f"{name}"),
    ):
        yield Fault(name, content, (words,))
    packed = gzip.compress(right * 50)
    yield Fault(f"{name}.gz", packed[:-12], ("ends in the middle",))
    yield Fault(f"{name}.gz", right, ("is not a good gzip file",))
    yield Fault(f"{name}.gz", packed + b"garbage", ("is not a good gzip file",))


def _faults_of_parquet(table: Table) -> Iterator[Fault]:
    name, first = f"{table.name}.parquet", table.column_names[0]
    right = _parquet(table, {}, compression="none")
    schema = {name: pa.array(["x"]) for name in table.column_names if name != first}
    for content, words in (
        (b"", "is not a Parquet file"),
        (right[:-9], "is not a Parquet file"),
        (right[: len(right) // 2], "is not a Parquet file"),
        (right[:-4] + b"PARE", "is encrypted"),
        (_csv(table, [_right(table)]), "is not a Parquet file"),
        (_table_bytes(pa.table(schema)), f"column {first}: is missing"),
        (_table_bytes(pa.table(schema | {first.upper(): pa.array(["x"])})), f"'{first.upper()}' isn't the same name"),
        (_table_bytes(pa.table([pa.array(["x"])] * 2, names=[first, first])), f"column {first}: is there twice"),
        (_table_bytes(pa.table({"inner": pa.array([{first: "x"}])})), f"column {first}: is missing"),
        (_damaged(table), "is damaged"),
    ):
        yield Fault(name, content, (words,))
    for column in table.columns:
        if column.type == "timestamp":
            yield Fault(name, _beyond_int96(table, column), ("row 2", f"column {column.name}: is beyond the years"))


def _table_bytes(rows: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(rows, sink)
    return sink.getvalue()


def _damaged(table: Table) -> bytes:
    """A byte of the first page is another, which only its checksum tells."""
    data = _parquet(table, {}, compression="none", use_dictionary=False, write_page_checksum=True)
    return data.replace(b"\x01\x00\x00\x00x", b"\x01\x00\x00\x00y", 1)


def _beyond_int96(table: Table, column: Column) -> bytes:
    """A time that Arrow's microseconds would wrap, on the last of INT96's days."""
    values = pa.array([0, 86_400_000_000], pa.timestamp("us"))
    options = {"use_deprecated_int96_timestamps": True, "compression": "none", "use_dictionary": False}
    data = _parquet(table, {column.name: values}, write_statistics=False, **options)
    day = bytes(8) + (2_440_589).to_bytes(4, "little")
    return data.replace(day, bytes(8) + (2**31 - 1).to_bytes(4, "little"))
