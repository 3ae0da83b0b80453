"""In which types a source may have the contract's columns, how they are read, and what is refused: the only list of it.

The readers of Postgres, CSV and Parquet follow it, and `evbilling contract` makes the tables of docs/contract.md of it.
A type that isn't listed is refused before a row is read, by column and type, with `fix`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from evbilling.platform.contract import ColumnType

SourceKind = Literal["Postgres", "CSV", "Parquet"]

# One rule for each kind of source: in any case, and nothing else. A word that isn't here is never true.
TRUE_WORDS = ("true", "t", "yes", "y", "on", "1")
FALSE_WORDS = ("false", "f", "no", "n", "off", "0")


@dataclass(frozen=True, slots=True)
class Form:
    """Types, as the source calls them, and in words how a column of one of them is read.

    `sql` reads such a column of a Postgres source, where `{column}` is its name; None: nothing needs to be done.
    """

    types: tuple[str, ...]
    reading: str
    sql: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """How a kind of source may have a column of one of the contract's types.

    `fix` ends the message about a column of another type. `fault` says what is wrong with a value that can't be read:
    of a file, the end of the message; of a database, what becomes of it.
    """

    forms: tuple[Form, ...]
    fix: str
    fault: str

    @property
    def types(self) -> tuple[str, ...]:
        """All types that are accepted."""
        return tuple(name for form in self.forms for name in form.types)


_ID_TYPES = ("character", "citext", "name", "enum", "uuid", "smallint", "integer", "bigint", "numeric(n,0)")
_TEXT_TYPES = ("text", "character varying")
_WHOLE = "-2147483648 and 2147483647"
_WORD = 'lower({column}::text collate "C")'
_DIGITS = '{column}::text collate "C"'
_NO_NUMBER = "a value that isn't one is read as no number (CONNECTOR-ID-INVALID)"
_VIEW = "in a view for instance"


def _one_of(words: tuple[str, ...]) -> str:
    return ", ".join(f"'{word}'" for word in words)


_WORDS = f"in any case: {', '.join(TRUE_WORDS)}; {', '.join(FALSE_WORDS)}"
_TEXT = ("text",)  # of a CSV file
_STRING = ("string", "large_string", "string_view", "binary", "large_binary", "binary_view", "null")
_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_NUL = "has a NUL byte, which Postgres can't store; is the file UTF-16? Save it as UTF-8"
_NO_BOOLEAN = f"is not a word for true or false ({', '.join((*TRUE_WORDS, *FALSE_WORDS))})"
_NO_INTEGER = "is not a whole number of at most 2147483647"
_NO_TIME = "is not a time as 2020-10-31T23:59:59Z"
_NO_AMOUNT = "is not an amount in plain digits with at most 12 before and 6 after the point, as 12.50"

ACCEPTED: Mapping[ColumnType, Mapping[SourceKind, Accepted]] = {
    "text": {
        "Postgres": Accepted(
            (
                Form(_TEXT_TYPES, "as it is"),
                Form(_ID_TYPES, "as Postgres writes it as text: char(n) without its padding", sql="{column}::text"),
            ),
            fix=f"give it as text, {_VIEW}",
            fault="",
        ),
        "CSV": Accepted((Form(_TEXT, "as RFC 4180 has it, in UTF-8; empty is null"),), fix="", fault=_NUL),
        "Parquet": Accepted(
            (
                Form(_STRING, "as it is, in UTF-8; empty is null"),
                Form((*_INTEGERS, "decimal(n,0)"), "its digits"),
                Form(("uuid",), "in lower case with hyphens"),
            ),
            fix="write it as string",
            fault="has a NUL byte, which Postgres can't store",
        ),
    },
    "boolean": {
        "Postgres": Accepted(
            (
                Form(("boolean",), "as it is; null is not active"),
                Form(
                    (*_TEXT_TYPES, *(name for name in _ID_TYPES if name != "uuid")),
                    f"{_WORDS}; null and empty are not active",
                    sql=f"case when {_WORD} in ({_one_of(TRUE_WORDS)}) then true "
                    f"when {_WORD} in ({_one_of(FALSE_WORDS)}) then false end",
                ),
            ),
            fix=f"give it as boolean, {_VIEW}",
            fault=_NO_BOOLEAN,
        ),
        "CSV": Accepted((Form(_TEXT, _WORDS),), fix="", fault=_NO_BOOLEAN),
        "Parquet": Accepted(
            (Form(("bool",), "as it is"), Form((*_STRING, *_INTEGERS), _WORDS)),
            fix="write it as bool or string",
            fault=_NO_BOOLEAN,
        ),
    },
    "integer": {
        "Postgres": Accepted(
            (
                Form(("integer",), "as it is"),
                Form(("smallint",), "as it is", sql="{column}::integer"),
                Form(
                    ("bigint", "numeric", "numeric(n,0)"),
                    f"a whole number of at most 2147483647; {_NO_NUMBER}",
                    sql=f"case when {{column}} between {_WHOLE} and trunc({{column}}) = {{column}} "
                    "then {column}::integer end",
                ),
                Form(
                    (*_TEXT_TYPES, "character", "citext"),
                    f"plain digits; {_NO_NUMBER}",
                    sql=f"case when {_DIGITS} ~ '^-?[0-9]{{{{1,10}}}}$' then "
                    f"case when {{column}}::text::bigint between {_WHOLE} then {{column}}::text::integer end end",
                ),
            ),
            fix=f"give it as integer, {_VIEW}",
            fault="",
        ),
        "CSV": Accepted((Form(_TEXT, "plain digits"),), fix="", fault=_NO_INTEGER),
        "Parquet": Accepted(
            (Form((*_INTEGERS, "decimal(n,0)"), "as it is"), Form(_STRING, "plain digits")),
            fix="write it as an integer or string",
            fault=_NO_INTEGER,
        ),
    },
    "timestamp": {
        "Postgres": Accepted(
            (
                Form(("timestamp with time zone",), "as it is; infinity is open, as null is, and no time of a charge"),
                Form(
                    ("timestamp without time zone",),
                    "in UTC, whatever the time zone of session, role or database",
                    sql="({column} at time zone 'UTC')",
                ),
            ),
            fix=f"give it as timestamp with time zone, {_VIEW}; a date has no time of day",
            fault="",
        ),
        "CSV": Accepted(
            (
                Form(
                    _TEXT,
                    "ISO 8601 with hours and minutes, after a T or a blank; another offset is converted, without one "
                    "it is UTC; digits after the microsecond are dropped",
                ),
            ),
            fix="",
            fault=_NO_TIME,
        ),
        "Parquet": Accepted(
            (
                Form(
                    ("timestamp",),
                    "of any unit, INT96 too, in the years 1 to 9999; without a zone it is UTC; digits after the "
                    "microsecond are dropped",
                ),
                Form(_STRING, "ISO 8601 with a time of day, as in CSV"),
            ),
            fix="write it as timestamp (UTC) or string; a date has no time of day",
            fault=_NO_TIME,
        ),
    },
    "amount": {
        "Postgres": Accepted(
            (
                Form(
                    ("numeric", "numeric(n,0)"), "exactly; NaN and infinity withhold the statement (CHARGE-TOO-LARGE)"
                ),
                Form(("smallint", "integer", "bigint"), "exactly, in major units", sql="{column}::numeric"),
            ),
            fix=f"give it as numeric, {_VIEW}: money is never a float, and what a value of type money comes to "
            "depends on lc_monetary",
            fault="",
        ),
        "CSV": Accepted(
            (Form(_TEXT, "plain digits with a point; zeros may follow the sixth decimal"),), fix="", fault=_NO_AMOUNT
        ),
        "Parquet": Accepted(
            (
                Form(
                    ("decimal", "decimal(n,0)", *_INTEGERS),
                    "exactly: of any precision and scale, where the digits after the sixth decimal are zeros",
                ),
                Form(_STRING, "as in CSV"),
            ),
            fix="write it as decimal or string, as money is never a float",
            fault=_NO_AMOUNT,
        ),
    },
}
