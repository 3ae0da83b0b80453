"""The platform's tables in a Postgres database, each shard read in one consistent snapshot."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from evbilling.errors import BadInput, SetFault, TransientError
from evbilling.inventory import contract
from evbilling.inventory.conflicts import connector_keys, is_repeated, overlapping
from evbilling.inventory.source import INVENTORY_TABLES, CountWindow, Shard, Survey
from evbilling.sqlfiles import load_sql
from evbilling.warehouse.connect import connected, shown

# Postgres places a row of a hash-partitioned table by hashtextextended(key, this seed) plus this constant; of a power
# of two of partitions only the low bits count. Attaching a wrongly placed shard would fail, never go unnoticed.
_HASH_SEED = 0x7A5B22367996DCFD
_HASH_SHIFT = 0x49A0F4DD15E5A8E3

_WORD = pa.dictionary(pa.int32(), pa.string())
INVENTORY_SCHEMA = pa.schema({
    "account_id": _WORD,
    "charger_id": _WORD,
    "connector_id": pa.int32(),
    "power_type": _WORD,
    "status": _WORD,
    "scope_status": _WORD,
})
_COLUMNS = sql.SQL("at.account_id, ch.charger_id, co.connector_id, co.power_type, co.status, ch.scope_status")


class PostgresSource:
    """The five tables as relations of one Postgres database; `prefix` is what stands before a table's name.

    `tables` are those that will be read: the only ones that the contract is checked for.
    """

    def __init__(
        self,
        url: str,
        *,
        schema: str = "platform",
        prefix: str = "",
        label: str | None = None,
        tables: Sequence[contract.Table] = INVENTORY_TABLES,
    ) -> None:
        self.label = label or f"{shown(url)} schema {schema}"
        self._tables = tables
        self._url = url
        self._schema = schema
        self._prefix = prefix

    def _connected(self) -> Any:
        return connected(self._url, what="charging platform")

    def _relation(self, table: contract.Table) -> sql.Identifier:
        return sql.Identifier(self._schema, self._prefix + table.name)

    def _query(self, name: str, **parts: object) -> str:
        """The text of a query file with relations as identifiers and values as literals.

        Literals, because the bulk driver and COPY take no bound arrays; psycopg does the quoting.
        """
        tables = {table.name: self._relation(table) for table in contract.TABLES}
        values = {key: part if isinstance(part, sql.Composable) else sql.Literal(part) for key, part in parts.items()}
        return sql.SQL(load_sql(f"queries/{name}.sql")).format(**tables, **values).as_string(None)

    def check_contract(self) -> None:
        faults = []
        with self._connected() as connection:
            for table in self._tables:
                relation = self._relation(table).as_string(connection)
                found = {
                    row[0]
                    for row in connection.execute(
                        load_sql("queries/platform_columns.sql").encode(), {"relation": relation}
                    )
                }
                missing = [name for name in table.column_names if name not in found]
                if not found:
                    faults.append(f"there is no table {relation} that this user may see")
                elif missing:
                    faults.append(f"table {relation} has no column {', '.join(missing)}")
        if faults:
            raise BadInput(
                "; ".join(faults),
                where=self.label,
                fix="give it the tables of the input contract (docs/contract.md)",
            )

    def read_accounts(self) -> pd.DataFrame:
        query = sql.SQL("select account_id, name, country, time_zone, currency from {} order by account_id").format(
            self._relation(contract.ACCOUNT)
        )
        return self._read(query, None, contract.ACCOUNT.column_names)

    def read_users(self, user_ids: Sequence[str]) -> pd.DataFrame:
        columns = ("user_id", "account_id", "active")
        query = sql.SQL("select user_id, account_id, active from {} where user_id = any(%(ids)s)").format(
            self._relation(contract.APP_USER)
        )
        return self._read(query, {"ids": list(user_ids)}, columns)

    def _read(self, query: sql.Composed, parameters: Any, columns: Sequence[str]) -> pd.DataFrame:
        with self._connected() as connection:
            return pd.DataFrame(connection.execute(query, parameters).fetchall(), columns=list(columns), dtype=object)

    def survey(self, window: CountWindow) -> Survey:
        bounds = {"first": window.first, "last": window.last}
        with self._connected() as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            rows, begins, orphans, homeless = connection.execute(self._query("survey_inventory", **bounds)).fetchone()
            examples = (
                [row[0] for row in connection.execute(self._query("survey_orphans", **bounds))] if orphans else []
            )
            nameless = dict(connection.execute(self._query("survey_nameless_chargers", **bounds)).fetchall())
        return Survey(rows, begins, orphans, tuple(examples), homeless, nameless)

    def read_shard(
        self, shard: Shard, account_ids: Sequence[str], instants: Sequence[datetime], window: CountWindow
    ) -> pa.Table:
        bounds = {"first": window.first, "last": window.last}
        in_shard = _in_shard(shard)
        asked = {
            "accounts": list(account_ids),
            "instants": [i.isoformat() for i in instants],
            "in_shard": in_shard,
        }
        with self._snapshot() as cursor:
            cursor.execute(self._query("extract_inventory", columns=_COLUMNS, **asked))
            table = _encoded(cursor.fetch_record_batch())
            cursor.execute(self._query("extract_inventory", columns=sql.SQL("count(*)"), **asked))
            reported = cursor.fetchone()[0]
            cursor.execute(self._query("extract_shared_chargers", in_shard=in_shard, **bounds))
            shared = cursor.fetch_arrow_table().to_pandas()
            repeated = is_repeated(connector_keys(table))
            chargers = table.column("charger_id").filter(pa.array(repeated)).unique().to_pylist()
            cursor.execute(self._query("extract_connector_history", chargers=chargers, **bounds))
            history = cursor.fetch_arrow_table().to_pandas()
        if reported != table.num_rows:
            raise SetFault(
                f"the source reports {reported:,} connectors in shard {shard.number}, {table.num_rows:,} arrived",
                where=self.label,
                fix="run the period again; nothing was published",
            )
        return _with_conflicts(table, shared, history)

    def read_charges(
        self,
        account_ids: Sequence[str],
        since: Sequence[datetime],
        until: Sequence[datetime],
        keep: Callable[[pa.Table], object],
    ) -> pd.DataFrame:
        asked = {
            "accounts": list(account_ids),
            "since": [i.isoformat() for i in since],
            "until": [i.isoformat() for i in until],
        }
        arrived = 0
        # Charges go on coming in while they are read: what is counted must be what was read.
        with self._snapshot() as cursor:
            cursor.execute(self._query("extract_charges", **asked))
            for batch in cursor.fetch_record_batch():
                keep(pa.Table.from_batches([batch]))
                arrived += batch.num_rows
            cursor.execute(self._query("count_charges", **asked))
            counted: pd.DataFrame = cursor.fetch_arrow_table().to_pandas()
        if (reported := int(counted["charges"].sum())) != arrived:
            raise SetFault(
                f"the source reports {reported:,} charges, {arrived:,} arrived",
                where=self.label,
                fix="run the period again; nothing was published",
            )
        return counted

    @contextmanager
    def _snapshot(self) -> Generator[Any, None, None]:
        """A bulk-driver cursor whose queries all see the database at one moment."""
        from adbc_driver_manager import Error
        from adbc_driver_postgresql import dbapi

        try:
            with dbapi.connect(self._url) as connection, connection.cursor() as cursor:
                cursor.execute("set transaction isolation level repeatable read, read only")
                yield cursor
        except Error as error:
            raise TransientError(
                str(error).strip(),
                where=f"charging platform ({shown(self._url)})",
                fix="check that it answers",
            ) from error


def _encoded(batches: pa.RecordBatchReader) -> pa.Table:
    """The rows with repeated words as dictionaries, encoded batch by batch so that memory stays flat."""
    encoded = [batch.cast(INVENTORY_SCHEMA) for batch in batches if batch.num_rows]
    table = pa.Table.from_batches(encoded, schema=INVENTORY_SCHEMA).unify_dictionaries().combine_chunks()
    # A connector without a number is its account's fault, found by the rules; a null would turn the column to float.
    return table.set_column(2, "connector_id", table.column("connector_id").fill_null(-1))


def _in_shard(shard: Shard) -> sql.Composable:
    """The condition that picks the chargers of one shard, as Postgres itself would place them in a partition."""
    if shard.count == 1:
        return sql.SQL("true")
    mask = shard.count - 1
    return sql.SQL("((hashtextextended(ch.charger_id, {seed}) & {mask}) + {shift}) & {mask} = {number}").format(
        seed=sql.Literal(_HASH_SEED), mask=sql.Literal(mask), shift=sql.Literal(_HASH_SHIFT & mask),
        number=sql.Literal(shard.number),
    )  # fmt: skip


def _with_conflicts(table: pa.Table, shared: pd.DataFrame, history: pd.DataFrame) -> pa.Table:
    """`table` with column `conflict`; only the rows of suspicious chargers are looked at one by one."""
    suspicious = pa.array(pd.concat([shared["charger_id"], history["charger_id"]]).unique(), type=pa.string())
    rows = np.flatnonzero(pc.is_in(table.column("charger_id").cast(pa.string()), suspicious).to_numpy())
    conflict = np.full(table.num_rows, None, dtype=object)
    if len(rows):
        keys = table.select(["charger_id", "connector_id"]).take(rows).to_pandas()
        keys["charger_id"] = keys["charger_id"].astype(str)
        clashes = overlapping(history, ["charger_id", "connector_id"])
        keys = keys.merge(clashes, on=["charger_id", "connector_id"], how="left")
        kinds = keys["same_start"].map({True: "duplicate", False: "overlap"}).astype(object)
        shared_at_once = keys["charger_id"].isin(overlapping(shared, ["charger_id"])["charger_id"])
        kinds = kinds.where(kinds.notna() | ~shared_at_once, "overlap")
        conflict[rows] = kinds.where(kinds.notna(), None).to_numpy(dtype=object)
    return table.append_column("conflict", pa.array(conflict, type=pa.string()).dictionary_encode())
