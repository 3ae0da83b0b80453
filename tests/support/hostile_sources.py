"""Postgres sources as databases may really have them: hostile but valid ones, from a number, and an independent reader.

The reader shares no code with the product: it reads each value as Postgres writes it (`::text`), and counts row by row.
"""

from __future__ import annotations

import re
import uuid
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any

import psycopg
from psycopg import sql

READER = "source_reader"
PASSWORD = "test"

_COLUMNS = {
    "account": "account_id name country time_zone currency language",
    "app_user": "user_id account_id full_name email active payment_customer payment_method",
    "charger": "charger_id account_id name site scope_status valid_from valid_to",
    "connector": "charger_id connector_id standard power_type status valid_from valid_to",
    "account_charge": "charge_id account_id user_id kind description occurred_at "
    "net_amount tax_amount currency settled_amount",
}
COLUMNS = {table: columns.split() for table, columns in _COLUMNS.items()}
_IDS = ("account_id", "user_id", "charger_id", "charge_id")
_TIMES = ("valid_from", "valid_to", "occurred_at")
_AMOUNTS = ("net_amount", "tax_amount", "settled_amount")

_TEXT = (
    "text|varchar|varchar(300)|char(40)|bpchar|citext|name|enum|word|nested_word"
    '|text collate "C"|text collate "POSIX"|varchar(60) collate ucs_basic|citext collate "C"|nested_word collate "C"'
)
TYPES = {
    "active": "boolean|flag|text|varchar(5)|char(5)|citext|name|word|yes_no|smallint|integer|bigint|numeric(1,0)"
    "|text collate ucs_basic",
    "connector_id": "integer|smallint|bigint|numeric|numeric(20,0)|numeric(12,3)|text|varchar(20)|char(12)|citext|word"
    "|number|whole_number|text collate ucs_basic",
    "time": "timestamptz|timestamp|timestamptz(3)|timestamp(0)|moment|zoned_moment",
    "amount": "numeric|numeric(40,6)|bigint|integer|smallint|price|whole_number",
    "text": _TEXT,
    "number ids": f"bigint|integer|smallint|numeric(20,0)|number|whole_number|{_TEXT}",
    "uuid ids": f"uuid|id|{_TEXT}",
}
RELATIONS = ["table", "view", "materialized view", "partitioned", "foreign table", "generated", "inherited"]
ENCODINGS = {
    "UTF8": "encoding 'UTF8' locale_provider builtin builtin_locale 'C.UTF-8' locale 'C'",
    "LIBC": "encoding 'UTF8' locale_provider libc locale 'C.UTF-8'",
    "LATIN1": "encoding 'LATIN1' locale 'C'",
    "WIN1252": "encoding 'WIN1252' locale 'C'",
    "SQL_ASCII": "encoding 'SQL_ASCII' locale 'C'",
}
SETTINGS = {
    "timezone": ["America/Los_Angeles", "Asia/Kolkata", "Pacific/Kiritimati", "UTC", "<+0545>-05:45", "Etc/GMT+12"],
    "datestyle": ["SQL, DMY", "German", "Postgres, MDY", "ISO, DMY"],
    "client_encoding": ["UTF8", "SQL_ASCII"],
    "extra_float_digits": ["-15", "3"],
    "default_transaction_isolation": ["serializable", "read committed"],
    "standard_conforming_strings": ["off", "on"],
    "default_transaction_read_only": ["on", "off"],
    "search_path": ["''", "platform"],
    "intervalstyle": ["sql_standard", "iso_8601"],
}

# When accounts are counted: 00:00 on 2020-11-01 in Kiritimati, Kolkata, Berlin and Los Angeles.
INSTANTS = ["2020-10-31 10:00:00", "2020-10-31 18:30:00", "2020-10-31 23:00:00", "2020-11-01 07:00:00"]
SINCE, UNTIL = "2020-10-01 00:00:00", "2020-11-01 00:00:00"
_AROUND = [
    *INSTANTS,
    *(f"{instant}.000001" for instant in INSTANTS),
    "2020-10-31 22:59:59.999999",
    "2020-11-01 06:59:59.6",
]
_BEFORE = [
    "2015-01-01 00:00:00",
    "-infinity",
    "0044-03-15 12:00:00 BC",
    "4713-01-01 00:00:00 BC",
    "1066-10-14 09:00:00",
]
_AFTER = ["2031-01-01 00:00:00", "infinity", "9999-12-31 23:59:59", "12026-01-01 00:00:00", "294276-12-31 00:00:00"]
_WORDS = [
    "x",
    "X",
    "a\\b",
    "it's",
    'say "hi"',
    "50%",
    "{0}",
    "two  blanks",
    " in front",
    "behind ",
    "a,b",
    "%(x)s",
    "NULL",
]
_MORE_WORDS = {
    "UTF8": ["Ω 漢字", "e\u0301", "\u00e9", "ß", "İ", "🚗", "\u200b", "a\u00a0b"],
    "LATIN1": ["\u00e9", "ß", "Ü", "a\u00a0b"],
}
_TRUE, _FALSE = {"true", "t", "yes", "y", "on", "1"}, {"false", "f", "no", "n", "off", "0"}
_OWN_TYPES = """
    create extension if not exists citext schema public;
    create extension if not exists postgres_fdw schema public;
    create domain public.word as text check (value <> 'never'); create domain public.nested_word as public.word;
    create domain public.number as bigint; create domain public.whole_number as numeric(18,0);
    create domain public.id as uuid; create domain public.flag as boolean; create domain public.price as numeric(30,8);
    create domain public.moment as timestamp; create domain public.zoned_moment as timestamptz(3);
    create type public.yes_no as enum ('Yes', 'No', 'Y', 'n');
"""


def prepare_database(admin: psycopg.Connection[Any]) -> None:
    """Make the types of our own in a new database."""
    admin.execute(_OWN_TYPES.encode())


@dataclass
class Source:
    """The hostile source of a number: each type, relation, encoding and setting comes up in turn."""

    number: int
    encoding: str = ""
    types: dict[str, str] = field(default_factory=dict)
    relations: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    rows: dict[str, list[list[str | None]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random = Random(self.number)  # ruff: ignore[suspicious-non-cryptographic-random-usage]
        self.encoding = list(ENCODINGS)[self.number % len(ENCODINGS)]
        # A few extra settings: all at once would hide which matters.
        for place, (name, values) in enumerate(SETTINGS.items()):
            if name in {"timezone", "datestyle"} or (self.number + place) % 3 == 0:
                self.settings[name] = values[(self.number + self.number // len(values)) % len(values)]
        kinds = {name: ["text", "number ids", "uuid ids"][self._turn(3, 7 * i)] for i, name in enumerate(_IDS)}
        values = {name: self._ids(kinds[name]) for name in _IDS}
        # The same account, say, may be a number in one table and a text in another, but no word can be a number.
        for place, (table, columns) in enumerate(COLUMNS.items()):
            self.relations[table] = RELATIONS[self._turn(len(RELATIONS), 3 * place)]
            for at, column in enumerate(columns):
                kind = column if column in TYPES else kinds.get(column, "text")
                kind = "time" if column in _TIMES else "amount" if column in _AMOUNTS else kind
                pool = TYPES[kind].split("|")
                found = pool[self._turn(len(pool), 5 * place + at)]
                if self.encoding != "UTF8":  # ucs_basic is of UTF8 alone
                    found = found.replace("ucs_basic", '"C"')
                self.types[f"{table}.{column}"] = found
        if self.number % 2:
            self.types["account.language"] = "absent"
        self._fill(values)

    def __str__(self) -> str:
        return f"source {self.number} ({self.encoding}): {self.settings} {self.relations} {self.types}"

    def _turn(self, length: int, offset: int) -> int:
        return (self.number + offset) % length

    def _ids(self, kind: str) -> list[str]:
        if kind == "number ids":
            return [str(n) for n in self.random.sample(range(-5, 32_000), 9)]
        if kind == "uuid ids":
            return [str(uuid.UUID(int=self.random.getrandbits(128))) for _ in range(9)]
        return self.random.sample(self._words(), 9)

    def _words(self) -> list[str]:
        encoding = {"LIBC": "UTF8", "SQL_ASCII": "UTF8", "WIN1252": "LATIN1"}.get(self.encoding, self.encoding)
        return [*_WORDS, *_MORE_WORDS[encoding]]

    def _fill(self, ids: dict[str, list[str]]) -> None:
        """Rows as texts; the last ids of each kind are in no row of their own."""
        pick = self.random.choice
        accounts, users, chargers = ids["account_id"], ids["user_id"], ids["charger_id"]
        words = [*self._words(), None]
        some = lambda values: pick([*values, None])  # ruff: ignore[lambda-assignment]
        tables: dict[str, list[dict[str, Any]]] = {
            "account": [{"account_id": a, "country": pick(["DE", None]), "currency": "EUR"} for a in accounts[:6]],
            "app_user": [{"user_id": u, "account_id": some(accounts)} for u in [*users[:6], *users[:2]]],
            "charger": [{"charger_id": c, "account_id": some(accounts)} for c in [*chargers[:7] * 3, None]],
            "connector": [{"charger_id": c} for c in [*chargers * 4, None]],
            "account_charge": [
                {"charge_id": c, "account_id": some(accounts), "user_id": some(users)} for c in ids["charge_id"] * 3
            ],
        }
        fixed = {
            "scope_status": ["Public", "Private", "Closed", None, "?"],
            "power_type": ["AC", "DC", None],
            "status": ["in_service", "planned", "removed", None],
            "time_zone": ["Europe/Berlin"],
            "currency": ["EUR"],
            "language": ["fr", "fr-BE", None],
        }
        for table, rows in tables.items():
            self.rows[table] = []
            for row in rows:
                for column in COLUMNS[table]:
                    if column not in row:
                        row[column] = self._value(table, column, fixed.get(column, words))
                self.rows[table].append([row[column] for column in COLUMNS[table]])

    def _value(self, table: str, column: str, words: list[Any]) -> str | None:
        found = self.types[f"{table}.{column}"]
        pick = self.random.choice
        if column == "valid_from":
            return pick([*_BEFORE, *_AROUND, None])
        if column == "valid_to":
            return pick([*_AFTER, *_AROUND, None, None])
        if column == "occurred_at":
            return pick([SINCE, UNTIL, "2020-10-15 12:00:00", "2020-10-31 23:59:59.4", *_BEFORE, *_AFTER, None])
        if column == "active":
            if found in {"smallint", "integer", "bigint", "numeric(1,0)", "boolean", "flag"}:
                return pick(["1", "0", None])
            labels = ["Yes", "No", "Y", "n", None]
            return pick(labels if found == "yes_no" else [*sorted(_TRUE | _FALSE), "N", "No", "FALSE", "T", "", None])
        if column == "connector_id":
            values = ["0", "1", "2", "3", "-1", None]
            if found not in {"smallint", "numeric(12,3)"}:
                values += ["2147483647", "-2147483648"]
            if found in {"bigint", "number", "numeric", "numeric(20,0)", "whole_number"} or self._is_text(found):
                values += ["2147483648", "-2147483649", "9999999999", "99999999999"]
            if found.startswith("numeric("):
                values += ["NaN"]
            if found in {"numeric", "numeric(12,3)"}:
                values += ["1.5", "2.0"]
            if found == "numeric":
                values += ["Infinity", "-Infinity", "1e300", "NaN", "1e-300"]
            return pick([*values, "01", "+1", " 1", "x", "1.0", "", "1\n"] if self._is_text(found) else values)
        if column in _AMOUNTS:
            values = ["0", "3", "-7", "12", None]
            if found in {"numeric", "numeric(40,6)", "price"}:
                values += ["12.50", "0.000001", "-3.10", "123456789012345.123456", "NaN"]
            return pick([*values, "1e200", f"0.{'0' * 40}1", "Infinity"] if found == "numeric" else values)
        return pick(words)  # type: ignore[no-any-return]

    @staticmethod
    def _is_text(found: str) -> bool:
        return found.split("(")[0].split()[0] in {"text", "varchar", "char", "bpchar", "citext", "name", "word"}

    # Into the database --------------------------------------------------------------------------------------------

    def make(self, admin: psycopg.Connection[Any], port: int) -> None:
        """Replace what the database has by this source, with the settings of database and reader."""
        admin.execute("drop schema if exists platform, base, labels cascade; drop server if exists loop cascade")
        admin.execute(
            "create schema platform; create schema base; create schema labels; "
            f"grant usage on schema platform, base, labels to {READER}"
        )
        database = sql.Identifier(admin.info.dbname)
        for table in COLUMNS:
            self._make_table(admin, table, port)
        admin.execute(f"grant select on all tables in schema platform, base to {READER}")
        admin.execute(sql.SQL("alter database {} reset all").format(database))
        reader = sql.SQL("alter role {} in database {}").format(sql.Identifier(READER), database)
        admin.execute(sql.SQL("{} reset all").format(reader))
        for place, (name, value) in enumerate(self.settings.items()):
            who = sql.SQL("alter database {}").format(database) if (self.number + place) % 2 else reader
            admin.execute(
                sql.SQL("{} set {} = {}").format(
                    who, sql.Identifier(name), sql.SQL(value) if value == "''" else sql.Literal(value)
                )
            )

    def _make_table(self, admin: psycopg.Connection[Any], table: str, port: int) -> None:
        kind = self.relations[table]
        columns = {c: self._declared(admin, table, c) for c in COLUMNS[table] if self.types[f"{table}.{c}"] != "absent"}
        listed = [f"{name} {declared}" for name, declared in columns.items()]
        self.random.shuffle(listed)
        if kind == "generated":
            # A value that is computed from another column; `name` has none that is computed at writing.
            listed = [
                f'"of {c.split()[0]}" {c.split(None, 1)[1]}, {c} generated always as ("of {c.split()[0]}") stored'
                for c in listed
            ]
        extras = "extra json, tags text[], place inet, picture bytea, part integer default 0"
        is_beneath = kind in {"view", "materialized view", "foreign table"}
        name = f"{'base' if is_beneath else 'platform'}.{table}"
        admin.execute(
            f"create table {name} ({', '.join(listed)}, {extras})"
            f"{' partition by list (part)' if kind == 'partitioned' else ''}".encode()
        )
        targets = [name]
        if kind == "partitioned":
            for part in (0, 1):
                admin.execute(f"create table base.{table}_{part} partition of {name} for values in ({part})".encode())
        elif kind == "inherited":
            admin.execute(f"create table base.{table}_child () inherits ({name})".encode())
            targets.append(f"base.{table}_child")
        casts = ", ".join(f"%s::text::{declared.split(' collate ')[0]}" for declared in columns.values())
        written = ", ".join(f'"of {c}"' if kind == "generated" else c for c in columns)
        with admin.cursor() as cursor:
            for at, target in enumerate(targets):
                rows = [
                    [*(v for c, v in zip(COLUMNS[table], row, strict=True) if c in columns), n % 2]
                    for n, row in enumerate(self.rows[table])
                    if n % len(targets) == at
                ]
                cursor.executemany(f"insert into {target} ({written}, part) values ({casts}, %s)".encode(), rows)
        if kind in {"view", "materialized view"}:
            admin.execute(f"create {kind} platform.{table} as select *, now() as seen_at from {name}".encode())
        if kind == "foreign table":
            admin.execute(
                _LOOP.format(port=port, database=admin.info.dbname, reader=READER, password=PASSWORD).encode()
            )
            admin.execute(
                f"create foreign table platform.{table} ({', '.join(listed)}) server loop "
                f"options (schema_name 'base', table_name '{table}')".encode()
            )

    def _declared(self, admin: psycopg.Connection[Any], table: str, column: str) -> str:
        """The type of a column as DDL has it."""
        found = self.types[f"{table}.{column}"]
        if found == "enum":
            values = {row[COLUMNS[table].index(column)] for row in self.rows[table]} - {None}
            labels = ", ".join(sql.Literal(v).as_string(admin) for v in sorted(values, key=str))
            admin.execute(f"create type labels.{table}_{column} as enum ({labels})")
            return f"labels.{table}_{column}"
        own = {"word", "nested_word", "number", "whole_number", "id", "flag", "price", "moment", "zoned_moment"}
        own |= {"yes_no", "citext"}
        words = [f"public.{word}" if word in own else word for word in found.split()]
        return " ".join(words)


_LOOP = """
    create server if not exists loop foreign data wrapper postgres_fdw
        options (host '127.0.0.1', port '{port}', dbname '{database}');
    grant usage on foreign server loop to {reader};
    create user mapping if not exists for {reader} server loop options (user '{reader}', password '{password}');
    create user mapping if not exists for current_user server loop options (user '{reader}', password '{password}')
"""


# Invalid ones --------------------------------------------------------------------------------------------------------

# By a column of each of the contract's types, what it may not be.
_NEVER = (
    "json|jsonb|text[]|integer[]|bytea|inet|cidr|macaddr|date|time|timetz|interval|money|real|double precision|bit(1)"
    '|bit varying|xml|point|int4range|tstzrange|tsvector|"char"|oid|regclass|pg_lsn|base.pair'
)
REFUSED = {
    "charger.charger_id": f"{_NEVER}|boolean|numeric|numeric(10,2)|timestamptz|timestamp",
    "app_user.active": f"{_NEVER}|uuid|public.id|numeric|numeric(10,2)|timestamptz|timestamp",
    "connector.connector_id": f"{_NEVER}|boolean|uuid|name|public.yes_no|timestamptz|timestamp",
    "connector.valid_from": f"{_NEVER}|text|varchar(30)|integer|bigint|numeric|boolean|uuid",
    "account_charge.net_amount": f"{_NEVER}|text|varchar|boolean|uuid|timestamptz|timestamp",
}


def give_types(admin: psycopg.Connection[Any], types: dict[str, str]) -> None:
    """Replace the platform by one whose columns have these types, all others good ones; reading a row raises."""
    admin.execute(
        "drop schema if exists platform, base, labels cascade; create schema platform; create schema base; "
        "create type base.pair as (a integer, b text); create function base.row() returns boolean language plpgsql as "
        f"$$ begin raise exception 'a row was read'; end $$; grant usage on schema platform, base to {READER}"
    )
    for table, columns in COLUMNS.items():
        listed = ", ".join(f"null::{types.get(f'{table}.{c}') or _plain(c)} as {c}" for c in columns)
        admin.execute(f"create view platform.{table} as select {listed} where base.row()".encode())
    admin.execute(f"grant select on all tables in schema platform to {READER}")


def _plain(column: str) -> str:
    special = {"active": "boolean", "connector_id": "integer"}
    return special.get(column, "timestamptz" if column in _TIMES else "numeric" if column in _AMOUNTS else "text")


def give_plain(admin: psycopg.Connection[Any]) -> None:
    """Replace the platform by a plain one with a row in each table."""
    admin.execute(
        "drop schema if exists platform, base, labels cascade; create schema platform; "
        f"grant usage on schema platform to {READER}"
    )
    for table, columns in COLUMNS.items():
        admin.execute(f"create table platform.{table} ({', '.join(f'{c} {_plain(c)}' for c in columns)})".encode())
    admin.execute(
        "insert into platform.account values ('a', 'A', 'DE', 'Europe/Berlin', 'EUR');"
        "insert into platform.app_user values ('u', 'a', 'U', 'u@example.org', true);"
        "insert into platform.charger values ('c', 'a', 'C', 'here', 'Public', '2020-01-01');"
        "insert into platform.connector values ('c', 1, 'x', 'AC', 'in_service', '2020-01-01');"
        "insert into platform.account_charge values ('x', 'a', 'u', 'k', 'd', '2020-10-15', 1, 0, 'EUR', 0);"
        f"grant select on all tables in schema platform to {READER}; "
        f"alter role {READER} in database {admin.info.dbname} reset all"
    )


def _view(table: str, **computed: str) -> str:
    """A view in the place of a table, some of whose columns are computed."""
    columns = ", ".join(f"{computed[c]} as {c}" if c in computed else c for c in COLUMNS[table])
    return (
        f"alter table platform.{table} rename to {table}_base; create view platform.{table} as select {columns} "
        f"from platform.{table}_base; grant select on platform.{table} to {READER}"
    )


_WORD = "which is not a word for true or false (true, t, yes,"
_FAIL = (
    "create function platform.fail() returns text language plpgsql as $$ begin raise exception 'no such luck'; end $$; "
)
_SECRET = (
    "create function platform.secret() returns text language plpgsql as $$ begin return 'x'; end $$; "
    "revoke execute on function platform.secret() from public; "
)
_DIE = (
    "create function platform.die() returns text language plpgsql security definer as "
    "$$ begin return pg_terminate_backend(pg_backend_pid())::text; end $$; "
)
_MOST = "user_id, account_id, full_name, email, active, payment_customer"
# What makes a good platform bad, and what the message has to say.
FAULTS = {
    "alter table platform.app_user alter active type text using 'Inactive'": f"app_user.active has 'Inactive', {_WORD}",
    "alter table platform.app_user alter active type char(8) using 'x'": f"app_user.active has 'x', {_WORD}",
    "alter table platform.app_user alter active type integer using 2": f"app_user.active has '2', {_WORD}",
    "alter table platform.connector drop status": "platform.connector.status is missing (text: text, ",
    "drop table platform.charger": "there is no table platform.charger that this user may see",
    f"revoke select on platform.connector from {READER}": f"connector.charger_id can't be read by {READER}; grant",
    f"revoke select on platform.app_user from {READER}; grant select ({_MOST}) on platform.app_user to {READER}": (
        f"platform.app_user.payment_method can't be read by {READER}"
    ),
    f"revoke usage on schema platform from {READER}": "permission denied for schema platform",
    _FAIL + _view("charger", scope_status="platform.fail()"): "no such luck",
    _view("connector", connector_id="connector_id / (connector_id - connector_id)"): "division by zero",
    _view("account_charge", occurred_at="kind::timestamptz"): "invalid input syntax for type timestamp",
    _view("app_user", active="full_name::boolean"): "invalid input syntax for type boolean",
    _SECRET + _view("account", name="platform.secret()"): "permission denied for function secret",
    _SECRET + _view("connector", power_type="platform.secret()"): "permission denied for function secret",
}
# What may come back, and is tried again.
OUTAGES = {
    _DIE + _view("connector", power_type="platform.die()"),
    _DIE + _view("app_user", full_name="platform.die()"),
    f"alter role {READER} in database %s set statement_timeout to '300ms'; "
    + _view("connector", power_type="pg_sleep(60)::text"),
}


# The independent reader ----------------------------------------------------------------------------------------------

Row = dict[str, str | None]
Moment = tuple[int, str]
_BEGINNING: Moment = (-10_000_000, "")
_END: Moment = (10_000_000, "")


def read_texts(admin: psycopg.Connection[Any], source: Source, table: str) -> list[Row]:
    """All rows of a table, each value as the text that Postgres makes of it."""
    columns = [c for c in COLUMNS[table] if source.types[f"{table}.{c}"] != "absent"]
    listed = ", ".join(f"{c}::text" for c in columns)
    rows = admin.execute(f"select {listed} from platform.{table}".encode()).fetchall()
    return [dict(zip(columns, row, strict=True)) for row in rows]


def moment(text: str | None) -> Moment | None:
    """A time as Postgres writes it in UTC, as something that can be compared; None for none and for infinity's."""
    if text is None:
        return None
    if text in {"infinity", "-infinity"}:
        return _END if text == "infinity" else _BEGINNING
    found = re.fullmatch(r"(\d+)-(\d\d-\d\d \d\d:\d\d:\d\d)(\.\d+)?(?:\+00)?( BC)?", text)
    assert found, text
    year = 1 - int(found[1]) if found[4] else int(found[1])
    return year, f"{found[2]}{found[3] or '.'}".rstrip("0").ljust(21, "0")


def number(text: str | None, declared: str) -> int:
    """The connector's number; -1 for what is none."""
    if text is None:
        return -1
    if declared.startswith("numeric") or declared == "whole_number":
        value = Decimal(text)
        whole = int(value) if value.is_finite() and value == value.to_integral_value() else None
    else:
        whole = int(text) if re.fullmatch(r"-?[0-9]{1,10}", text) else None
    return whole if whole is not None and -(2**31) <= whole < 2**31 else -1


def is_active(text: str | None) -> bool | None:
    """What a word for active means; null for none."""
    word = (text or "").lower()
    return True if word in _TRUE else False if word in _FALSE else None


@dataclass
class Truth:
    """What the independent reader finds in a source."""

    source: Source
    tables: dict[str, list[Row]]

    @classmethod
    def of(cls, admin: psycopg.Connection[Any], source: Source) -> Truth:
        admin.execute("set time zone 'UTC'; set datestyle to 'ISO'")
        return cls(source, {table: read_texts(admin, source, table) for table in COLUMNS})

    def accounts(self) -> list[str]:
        """The accounts, each once, in order of their bytes."""
        return sorted({row["account_id"] for row in self.tables["account"]} - {None})  # type: ignore[type-var,arg-type]

    def instants(self) -> dict[str, str]:
        """When each account is counted."""
        return {account: INSTANTS[n % len(INSTANTS)] for n, account in enumerate(self.accounts())}

    def inventory(self) -> Counter[tuple[Any, ...]]:
        """Every connector that is at an account at its instant, as often as rows say so."""
        found: Counter[tuple[Any, ...]] = Counter()
        at = self.instants()
        for charger in self.tables["charger"]:
            account, charger_id = charger["account_id"], charger["charger_id"]
            if account not in at or charger_id is None or not _holds(charger, at[account]):
                continue
            for outlet in self.tables["connector"]:
                if outlet["charger_id"] == charger_id and _holds(outlet, at[account]):
                    numbered = number(outlet["connector_id"], self.source.types["connector.connector_id"])
                    found[
                        account, charger_id, numbered, outlet["power_type"], outlet["status"], charger["scope_status"]
                    ] += 1
        return found

    def orphans(self) -> int:
        """Connectors around the count whose charger isn't known at all."""
        known = {row["charger_id"] for row in self.tables["charger"]} - {None}
        return sum(row["charger_id"] not in known and _is_around(row) for row in self.tables["connector"])

    def homeless(self) -> int:
        """Chargers around the count whose account isn't known."""
        return sum(row["account_id"] not in self.accounts() and _is_around(row) for row in self.tables["charger"])

    def nameless(self) -> dict[str, int]:
        """The number of chargers without an id around the count, by account."""
        rows = [r for r in self.tables["charger"] if r["charger_id"] is None and r["account_id"] and _is_around(r)]
        return dict(Counter(str(row["account_id"]) for row in rows))

    def users(self) -> Counter[tuple[Any, ...]]:
        """Every row of a user, with `active` as what it means."""
        return Counter(
            tuple(is_active(row[c]) if c == "active" else row[c] for c in COLUMNS["app_user"])
            for row in self.tables["app_user"]
        )

    def charges(self) -> Counter[tuple[Any, ...]]:
        """Every charge within its account's window, or without a time."""
        found: Counter[tuple[Any, ...]] = Counter()
        for row in self.tables["account_charge"]:
            when = moment(row["occurred_at"])
            is_timeless = when in {None, _BEGINNING, _END}
            if row["account_id"] in self.accounts() and (is_timeless or moment(SINCE) <= when < moment(UNTIL)):  # type: ignore[operator]
                amounts = tuple(None if row[c] is None else Decimal(str(row[c])).normalize() for c in _AMOUNTS)
                words = (row["account_id"], row["charge_id"], row["kind"], row["description"], row["currency"])
                found[*words, None if is_timeless else when, *map(str, amounts)] += 1
        return found


def _holds(row: Row, instant: str) -> bool:
    begins, ends, at = moment(row["valid_from"]) or _BEGINNING, moment(row["valid_to"]) or _END, moment(instant)
    return begins <= at < ends  # type: ignore[operator]


def _is_around(row: Row) -> bool:
    begins, ends = moment(row["valid_from"]) or _BEGINNING, moment(row["valid_to"]) or _END
    return begins <= moment(INSTANTS[-1]) and ends > moment(INSTANTS[0])  # type: ignore[operator]
