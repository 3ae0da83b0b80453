"""The platform's tables in a Postgres database, each shard read in one consistent snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import cached_property
from typing import Any, LiteralString

import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from evbilling.errors import SetFault
from evbilling.platform import contract
from evbilling.platform.inventory import (
    CHARGER_HISTORY,
    CONNECTOR_HISTORY,
    Counted,
    CountInstants,
    connector_keys,
    count_inventory,
    count_strays,
    folded,
    is_repeated,
    legible,
    one_chunk,
    repeated_chargers,
    resembled,
    visible,
    with_conflicts,
)
from evbilling.platform.postgres.queries import (
    SCHEMA,
    WHAT,
    PlatformTable,
    check_values,
    find_tables,
    reading,
    relations,
    select,
)
from evbilling.platform.source import INVENTORY_TABLES, CountWindow, Part, PartRead, Strangers, Survey
from evbilling.warehouse import compose, record_batches, shown, snapshot

# Postgres places a row of a hash-partitioned table by hashtextextended(key, this seed) plus this constant; of a power
# of two of partitions only the low bits count. Attaching a wrongly placed shard would fail, never go unnoticed.
_HASH_SEED = 0x7A5B22367996DCFD
_HASH_SHIFT = 0x49A0F4DD15E5A8E3
# The hash is of a text's bytes, in the warehouse those of UTF-8. In a database of one byte a character these are a text
# of other characters, but of the same bytes.
_KEPT_BYTES = {"UTF8", "SQL_ASCII"}
_AS_UTF8 = "convert_from(convert_to(charger_id, 'UTF8'), getdatabaseencoding())"


class PostgresSource:
    """The five tables as relations of one Postgres database; `prefix` comes before a table's name.

    `tables` are those that will be read: the only ones that the contract is checked for.
    """

    def __init__(
        self,
        url: str,
        *,
        schema: str = SCHEMA,
        prefix: str = "",
        label: str | None = None,
        tables: Sequence[contract.Table] = INVENTORY_TABLES,
    ) -> None:
        self.label = label or f"{shown(url)} schema {schema}"
        self._tables = tables
        self._url = url
        self._relations = relations(schema, prefix)

    @cached_property
    def _found(self) -> dict[str, PlatformTable]:
        with reading(self._url) as connection:
            return find_tables(connection, self._tables, self._relations, label=self.label)

    @cached_property
    def _sources(self) -> dict[str, sql.Composable]:
        return {name: table.source() for name, table in self._found.items()}

    def _query(self, name: str, **parts: object) -> str:
        """The text of a query on the source's tables, for the bulk driver, which binds no arrays."""
        return compose(f"platform/{name}", **self._sources, **parts).as_string(None)

    def check_contract(self) -> None:
        with reading(self._url) as connection:
            check_values(connection, self._found.values(), label=self.label)

    def read_accounts(self) -> pd.DataFrame:
        return self._select(contract.ACCOUNT, "order by account_id")

    def read_users(self, user_ids: Sequence[str]) -> pd.DataFrame:
        return self._select(contract.APP_USER, "where user_id = any(%s)", list(user_ids))

    def _select(self, table: contract.Table, rest: LiteralString, *values: object) -> pd.DataFrame:
        query = select(self._found[table.name], rest)
        with reading(self._url) as connection:
            rows = connection.execute(query, values).fetchall()
        return pd.DataFrame(rows, columns=list(table.column_names), dtype=object)

    def survey(self, window: CountWindow) -> Survey:
        bounds = {"first": window.first, "last": window.last}
        survey, nameless_chargers, homeless_chargers, strange_users = (
            self._query(name, **bounds)
            for name in ("survey", "nameless_chargers", "homeless_chargers", "strange_users")
        )
        with reading(self._url, isolation=psycopg.IsolationLevel.REPEATABLE_READ) as connection:
            ((rows, begins, homeless, nameless),) = connection.execute(survey.encode()).fetchall()
            found = connection.execute(nameless_chargers.encode()).fetchall() if nameless else []
            strange = [
                connection.execute(query.encode()).fetchall() if is_asked else []
                for query, is_asked in ((homeless_chargers, homeless), (strange_users, True))
            ]
        return Survey(rows, begins, homeless, dict(found), *(tuple(map(_strangers, accounts)) for accounts in strange))

    def read_part(
        self, part: Part, account_ids: Sequence[str], instants: Sequence[datetime], window: CountWindow
    ) -> PartRead:
        around = {"first": window.first, "last": window.last}
        values = {"in_part": self._in_part(part), "shard": self._bucket(part.shards), **around}
        at = CountInstants.of(account_ids, instants)
        inventory: dict[int, Counted] = {}
        shared: list[str] = []
        counted_twice: list[str] = []
        strays = 0
        with snapshot(self._url, what=WHAT, foreign=True) as cursor:
            cursor.execute(self._query("chargers", **values))
            chargers = _by_shard(record_batches(cursor), part, CHARGER_HISTORY)
            cursor.execute(self._query("connectors", **values))
            connectors = _by_shard(record_batches(cursor), part, CONNECTOR_HISTORY)
            cursor.execute(self._query("part_counts", **values))
            charger_rows, connector_rows = cursor.fetchone()
            self._require_all(f"chargers in part {part.number}", charger_rows, _rows(chargers))
            self._require_all(f"connectors in part {part.number}", connector_rows, _rows(connectors))
            # Each shard's rows are let go when they are put together: all together they would be in memory twice.
            for number in part.shard_numbers:
                found = one_chunk(chargers.pop(number), CHARGER_HISTORY)
                outlets = one_chunk(connectors.pop(number), CONNECTOR_HISTORY)
                inventory[number] = count_inventory(found, outlets, at)
                strays += count_strays(found, outlets)
                shared += repeated_chargers(found)
                counted_twice += _chargers_of_repeated(inventory[number].inventory)
            cursor.execute(self._query("charger_history", chargers=shared, **around))
            charger_history = cursor.fetch_arrow_table().to_pandas()
            cursor.execute(self._query("connector_history", chargers=counted_twice, **around))
            connector_history = cursor.fetch_arrow_table().to_pandas()
            orphans, examples = 0, None
            if strays:  # Most of them stand under chargers that were taken away before the count.
                cursor.execute(self._query("orphans", **values))
                orphans, examples = cursor.fetchone()
                examples = self._with_resembled(cursor, examples or [])
        # Each shard is let go once it is taken.
        counted = ((number, inventory.pop(number)) for number in part.shard_numbers)
        shards = (
            (number, with_conflicts(table, charger_history, connector_history), names)
            for number, (table, names) in counted
        )
        return PartRead(shards, orphans, tuple(examples or ()))

    def _with_resembled(self, cursor: Any, connectors: Sequence[str]) -> list[str]:
        """Connectors ("charger/1") with what can't be seen made visible, and the charger that each one's resembles."""
        chargers = [name.rpartition("/")[0] for name in connectors]
        keys = folded(pa.array(chargers, pa.string())).to_pylist()
        if self._found[contract.CHARGER.name].encoding != "UTF8":  # which may lack a character of a folded id
            keys = [key for key in keys if key.isascii()]
        cursor.execute(self._query("alike_chargers", keys=keys))
        known = cursor.fetch_arrow_table().column("charger_id").cast(pa.string()).combine_chunks()
        shown = []
        for name, charger in zip(connectors, chargers, strict=True):
            like = resembled(charger, known)
            text = name if charger.startswith("(no ") else f"{visible(charger)}{name[len(charger) :]}"
            shown.append(text + (f", which resembles {' and '.join(map(visible, like))}" if like else ""))
        return shown

    def _require_all(self, things: str, reported: int, arrived: int) -> None:
        """Raise `SetFault` unless as many rows arrived as the source itself counts."""
        if reported != arrived:
            raise SetFault(
                f"the source reports {reported:,} {things}, {arrived:,} arrived",
                where=self.label,
                fix="run the period again; nothing was published",
            )

    def _in_part(self, part: Part) -> sql.Composable:
        """True for the rows of a part."""
        if part.count == 1:
            return sql.SQL("true")
        return sql.SQL("{} = {}").format(self._bucket(part.count), sql.Literal(part.number))

    def _bucket(self, count: int) -> sql.Composable:
        """Which of `count` hash partitions the warehouse would place a charger in; the first where it has no id."""
        if count == 1:
            return sql.SQL("0")
        mask, encoding = count - 1, self._found[contract.CHARGER.name].encoding
        return sql.SQL("coalesce(((hashtextextended({key}, {seed}) & {mask}) + {shift}) & {mask}, 0)").format(
            key=sql.SQL("charger_id" if encoding in _KEPT_BYTES else _AS_UTF8),
            seed=sql.Literal(_HASH_SEED),
            mask=sql.Literal(mask),
            shift=sql.Literal(_HASH_SHIFT & mask),
        )

    def read_charges(
        self,
        account_ids: Sequence[str],
        since: Sequence[datetime],
        until: Sequence[datetime],
        keep: Callable[[pa.Table], object],
    ) -> pd.DataFrame:
        # Of many accounts, the windows are few, and instants take long to be written and read.
        numbers: dict[tuple[datetime, datetime], int] = {}
        window = [numbers.setdefault(pair, len(numbers) + 1) for pair in zip(since, until, strict=True)]
        values = {
            "accounts": _array(account_ids),
            "window": "{" + ",".join(map(str, window)) + "}",
            "since": _array(begin.isoformat() for begin, _ in numbers),
            "until": _array(end.isoformat() for _, end in numbers),
        }
        arrived = 0
        # Counted beside the reading. Charges go on coming in meanwhile: what is counted must be what was read.
        with snapshot(self._url, what=WHAT, foreign=True) as cursor, ThreadPoolExecutor(1) as beside:
            cursor.execute("select pg_export_snapshot()")
            counting = beside.submit(self._counted_charges, cursor.fetchone()[0], values)
            cursor.execute(self._query("charges", **values))
            for batch in record_batches(cursor):
                keep(pa.Table.from_batches([batch]))
                arrived += batch.num_rows
            counted = counting.result()
        self._require_all("charges", int(counted["charges"].sum()), arrived)
        return counted

    def _counted_charges(self, moment: str, values: dict[str, str]) -> pd.DataFrame:
        with snapshot(self._url, what=WHAT, exported=moment, foreign=True) as cursor:
            cursor.execute(self._query("charge_counts", **values))
            counted: pd.DataFrame = cursor.fetch_arrow_table().to_pandas()
        return counted


def _by_shard(batches: Iterable[pa.RecordBatch], part: Part, schema: pa.Schema) -> dict[int, list[pa.RecordBatch]]:
    """The rows of each shard, words encoded batch by batch so that memory stays flat."""
    shards: dict[int, list[pa.RecordBatch]] = {number: [] for number in part.shard_numbers}
    for batch in batches:
        rows, shard = batch.select(schema.names), batch.column("shard")
        for number, kept in shards.items():
            mine = rows if len(shards) == 1 else rows.filter(pc.equal(shard, pa.scalar(number, shard.type)))
            if mine.num_rows:
                kept.append(_legible(mine.cast(schema)))
    return shards


def _legible(batch: pa.RecordBatch) -> pa.RecordBatch:
    """`batch` with its texts for people as they are kept, before they fill the memory."""
    for place, field in enumerate(batch.schema):
        if field.type == pa.string():
            batch = batch.set_column(place, field, legible(batch.column(place)))
    return batch


def _strangers(row: tuple[Any, ...]) -> Strangers:
    account_id, rows, ids, before, until = row
    named = tuple(sorted({text for text in ids if text is not None}))
    return Strangers(account_id, rows, named, (before, until) if before else None)


def _rows(shards: dict[int, list[pa.RecordBatch]]) -> int:
    return sum(batch.num_rows for batches in shards.values() for batch in batches)


def _chargers_of_repeated(inventory: pa.Table) -> list[str]:
    """The chargers of connectors that are in the inventory more than once."""
    repeated = is_repeated(connector_keys(inventory))
    found: list[str] = inventory.column("charger_id").filter(pa.array(repeated)).unique().to_pylist()
    return found


def _array(values: Iterable[str]) -> str:
    """The text form of an array: as one literal it is made at once, where one for each of its values takes seconds."""
    quoted = ['"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values]
    return "{" + ",".join(quoted) + "}"
