"""Billing settings as a CSV file: parsed and checked as a whole, every problem reported at once."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from evbilling.errors import BadInput
from evbilling.problems import Problem, Problems
from evbilling.settings import fields
from evbilling.settings.terms import BillingTerms

_PARSERS: dict[str, Callable[[str], Any]] = {
    "account_id": fields.parse_account_id,
    "effective_from": fields.parse_effective_from,
    "charge_connectors": fields.parse_flag,
    # An account without an admin can be set up; billing quarantines it.
    "financial_admin_id": lambda text: fields.parse_id(text) or None,
    "fee_per_connector": fields.parse_fee,
    "fee_per_dc_connector": lambda text: fields.parse_fee(text) if text else None,
    "exclude_closed": fields.parse_flag,
    "exclude_private": fields.parse_flag,
    "tax_rate": fields.parse_tax_rate,
}
COLUMNS = tuple(_PARSERS)


def read_settings(path: Path) -> list[BillingTerms]:
    """The settings in the CSV file at `path`, in its order; raises `BadInput` with every problem."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"can't be read: {error.strerror}", where=str(path), fix="check the file's name") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise BadInput(f"line {line} is not UTF-8", where=str(path), fix="save the file as UTF-8") from None
    return parse_settings(io.StringIO(text, newline=""), str(path))


def parse_settings(lines: Iterable[str], file: str) -> list[BillingTerms]:
    """The settings that the CSV text `lines` holds, in its order; `file` names it in messages.

    Raises `BadInput` with line, column and reason of every problem: none of the settings is taken then.
    """
    problems = Problems()
    terms: list[BillingTerms] = []
    seen: dict[tuple[str, str], int] = {}
    for line, row in _rows(lines, file, problems):
        found = _terms(row, line, file, problems)
        if found is None:
            continue
        terms.append(found)
        key = (found.account_id, str(found.effective_from))
        if key in seen:
            reason = f"{key[0]} from {key[1]} is set twice in this file, on lines {seen[key]} and {line}"
            problems.add(Problem(file, reason, f"line {line}", "effective_from"))
        seen.setdefault(key, line)
    problems.raise_any()
    return terms


def _rows(lines: Iterable[str], file: str, problems: Problems) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row by column name with the line it begins on; notes rows of another shape than the header's."""
    reader = csv.reader(lines, strict=True)
    header = next(reader, [])
    if not header:
        problems.add(Problem(file, "is empty: not even a header"))
        return
    for name in COLUMNS:
        if header.count(name) != 1:
            reason = "is there twice" if name in header else "is missing"
            problems.add(Problem(file, reason, "line 1", name))
    for name in header:
        if name not in COLUMNS:
            problems.add(Problem(file, "is not a column of billing settings", "line 1", repr(name)))
    if problems.count:
        return
    ends_before = reader.line_num
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            is_long = "field larger" in str(error)
            reason = "has a field of more than 131,072 characters" if is_long else f"has a broken quote: {error}"
            problems.add(Problem(file, reason, f"line {ends_before + 1}"))
            return
        if row is None:
            return
        line, ends_before = ends_before + 1, reader.line_num
        if row and len(row) != len(header):
            reason = f"has {len(row)} fields where the header has {len(header)}"
            problems.add(Problem(file, reason, f"line {line}"))
        elif row:
            yield line, dict(zip(header, row, strict=True))


def _terms(row: dict[str, str], line: int, file: str, problems: Problems) -> BillingTerms | None:
    values: dict[str, Any] = {}
    for name, parse in _PARSERS.items():
        try:
            if "\x00" in row[name]:
                raise BadInput("has a NUL byte")
            values[name] = parse(row[name])
        except BadInput as error:
            problems.add(Problem(file, error.what, f"line {line}", name))
    return BillingTerms(**values) if len(values) == len(_PARSERS) else None


def write_settings(path: Path, terms: Iterable[BillingTerms]) -> None:
    """Write `terms` as the CSV file that `read_settings` reads back to the same settings."""
    with path.open("w", encoding="utf-8", newline="") as file:
        # The standard line end: with a bare \n, Python before 3.13 would leave a \r inside a field unquoted.
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(COLUMNS)
        writer.writerows([_text(getattr(row, name)) for name in COLUMNS] for row in terms)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
