"""Postgres sources of many types, relations, encodings and settings: read right, or refused with one message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from evbilling.errors import BadInput, TransientError
from evbilling.platform import CHARGE_TABLES, TABLES, CountWindow, Part
from evbilling.platform.access import open_lookup, read_users
from evbilling.platform.inventory import CountInstants, account_inventory
from evbilling.platform.postgres import PostgresSource
from evbilling.services import Services
from tests.support import hostile_sources as hostile
from tests.support.hostile_sources import ENCODINGS, PASSWORD, READER, REFUSED, Source, Truth
from tests.support.kept_connections import kept
from tests.support.month import Platform, bill, rows, settle_terms, terms
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.postgres

_INVENTORY = ("account_id", "charger_id", "connector_id", "power_type", "status", "scope_status")
_PARTS = 2


@pytest.fixture(scope="module")
def databases(postgres: PostgresServer) -> Iterator[dict[str, str]]:
    """Names of databases by encoding, with the types of our own, and a login that only reads."""
    with psycopg.connect(postgres.url(), autocommit=True) as admin:
        admin.execute(f"create role {READER} login password '{PASSWORD}'")
        for encoding, options in ENCODINGS.items():
            admin.execute(f"create database hostile_{encoding.lower()} template template0 {options}".encode())
            with psycopg.connect(postgres.url(database=f"hostile_{encoding}".lower()), autocommit=True) as inside:
                hostile.prepare_database(inside)
        yield {encoding: f"hostile_{encoding}".lower() for encoding in ENCODINGS}
        for encoding in ENCODINGS:
            postgres.drop_database(f"hostile_{encoding}".lower())
        admin.execute(f"drop role {READER}")


@pytest.fixture(scope="module")
def admins(postgres: PostgresServer, databases: dict[str, str]) -> Iterator[dict[str, psycopg.Connection[Any]]]:
    """A superuser's connection to each database."""
    with ExitStack() as stack:
        yield {
            encoding: stack.enter_context(
                psycopg.connect(
                    postgres.url(database=name),
                    autocommit=True,
                    client_encoding="utf8",
                    options="-c timezone=UTC -c datestyle=ISO -c standard_conforming_strings=on "
                    "-c default_transaction_read_only=off -c search_path=public",
                )
            )
            for encoding, name in databases.items()
        }


def test_hostile_but_valid_sources_are_read_right(
    postgres: PostgresServer, admins: dict[str, psycopg.Connection[Any]], monkeypatch: pytest.MonkeyPatch, full: bool
) -> None:
    """Months, pages, users and charges of each source are what the independent reader counts."""
    monkeypatch.setenv("PGTZ", "Asia/Tokyo")
    monkeypatch.setenv("PGDATESTYLE", "German")
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    numbers = range(600 if full else 15)
    counted = 0
    wrong = []
    for source in map(Source, numbers):
        admin = admins[source.encoding]
        source.make(admin, postgres.port)
        truth = Truth.of(admin, source)
        counted += truth.inventory().total()
        url = postgres.url(READER, admin.info.dbname, password=PASSWORD)
        try:
            _compare(url, truth, admins["UTF8"])
        except Exception as error:
            if len(numbers) == 1:
                raise
            wrong.append(f"{source}: {error!r}")
    print(f"{len(numbers)} sources, {counted} connectors, {len(numbers) - len(wrong)} right, {len(wrong)} wrong")
    assert wrong == []
    assert counted > 5 * len(numbers)


def _compare(url: str, truth: Truth, utf8: psycopg.Connection[Any]) -> None:
    source = PostgresSource(url, tables=TABLES)
    source.check_contract()
    accounts = truth.accounts()
    found_accounts = source.read_accounts()
    assert sorted(found_accounts["account_id"].dropna()) == sorted(r["account_id"] for r in truth.tables["account"])
    languages = {row["account_id"]: row.get("language") for row in truth.tables["account"]}
    assert {row.account_id: row.language for row in open_lookup(url).account_rows(accounts)} == languages

    instants = [_utc(truth.instants()[account]) for account in accounts]
    window = CountWindow(_utc(hostile.INSTANTS[0]), _utc(hostile.INSTANTS[-1]))
    survey = source.survey(window)
    assert survey.connector_rows == len(truth.tables["connector"])
    assert (survey.homeless_chargers, survey.nameless_chargers) == (truth.homeless(), truth.nameless())

    shards = {}
    orphans = 0
    for number in range(_PARTS):
        read = source.read_part(Part(number, _PARTS, 2 * _PARTS), accounts, instants, window)
        shards |= {shard: table for shard, table, _ in read.shards}
        orphans += read.orphans
    found = _inventory(
        pa.concat_tables([shard.drop_columns("conflict").unify_dictionaries() for shard in shards.values()])
    )
    assert found == truth.inventory()
    assert orphans == truth.orphans()
    _check_shards(utf8, shards)

    ids = sorted({row["user_id"] for row in truth.tables["app_user"]})
    users = [tuple(row) for row in source.read_users(ids).itertuples(index=False)]
    assert Counter(users) == truth.users()
    distinct = {tuple(getattr(u, c) for c in hostile.COLUMNS["app_user"]) for u in read_users(url, ids)}
    assert distinct == set(truth.users())
    lookup = open_lookup(url)
    for account in accounts[:2]:
        active = {user.user_id for user in lookup.active_users(account)}
        assert active == {user for user, of, _, _, is_active, *_ in truth.users() if of == account and is_active}
        history = lookup.history_of(account, window)
        at = CountInstants.of([account], [_utc(truth.instants()[account])])
        own = Counter({row: n for row, n in truth.inventory().items() if row[0] == account})
        assert _inventory(account_inventory(history, at)) == own
    assert [row.account_id for row in lookup.find_accounts().rows] == accounts
    _compare_charges(url, truth)


def _compare_charges(url: str, truth: Truth) -> None:
    accounts = truth.accounts()
    kept: list[dict[str, Any]] = []
    since, until = ([_utc(text)] * len(accounts) for text in (hostile.SINCE, hostile.UNTIL))
    totals = PostgresSource(url, tables=CHARGE_TABLES).read_charges(
        accounts, since, until, lambda batch: kept.extend(batch.to_pylist())
    )
    found = Counter(
        (
            *(row[c] for c in ("account_id", "charge_id", "kind", "description", "currency")),
            row["occurred_at"] and hostile.moment(f"{row['occurred_at'].replace(tzinfo=None)}"),
            *(
                str(None if row[c] is None else Decimal(row[c]).normalize())
                for c in ("net_amount", "tax_amount", "settled_amount")
            ),
        )
        for row in kept
    )
    assert found == truth.charges()
    counts = Counter(row[0] for row in truth.charges().elements())
    assert dict(zip(totals["account_id"], totals["charges"], strict=True)) == dict(counts)


def _inventory(table: pa.Table) -> Counter[tuple[Any, ...]]:
    return Counter(tuple(row[name] for name in _INVENTORY) for row in table.to_pylist())


def _check_shards(connection: psycopg.Connection[Any], shards: dict[int, pa.Table]) -> None:
    """Each charger is in the shard into whose partition Postgres itself would put it."""
    connection.execute("create temp table if not exists place (charger_id text) partition by hash (charger_id)")
    for remainder in range(2 * _PARTS):
        connection.execute(
            f"create temp table if not exists place_{remainder} partition of place "
            f"for values with (modulus {2 * _PARTS}, remainder {remainder})".encode()
        )
    connection.execute("truncate place")
    expected = {
        charger: number for number, table in shards.items() for charger in table.column("charger_id").to_pylist()
    }
    with connection.cursor() as cursor:
        cursor.executemany("insert into place values (%s)", [(charger,) for charger in expected])
    placed = connection.execute("select charger_id, right(tableoid::regclass::text, 1)::integer from place").fetchall()
    assert dict(placed) == expected


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_no_type_that_is_not_accepted_gets_past_the_door(
    postgres: PostgresServer, admins: dict[str, psycopg.Connection[Any]], full: bool
) -> None:
    """One message, which isn't tried again, names each column, its type and those accepted; no row is read."""
    admin = admins["UTF8"]
    url = postgres.url(READER, admin.info.dbname, password=PASSWORD)
    wanted = {column: types.split("|") for column, types in REFUSED.items()}
    most = max(map(len, wanted.values()))
    # In the gate one source has a bad type in five columns, with --full each has one.
    sources = [{c: types[n] for c, types in wanted.items() if n < len(types)} for n in range(most)]
    if full:
        sources = [{c: found} for source in sources for c, found in source.items()]
    for types in sources:
        hostile.give_types(admin, types)
        with pytest.raises(BadInput) as refused:
            PostgresSource(url, tables=TABLES).check_contract()
        said = str(refused.value)
        for column, found in types.items():
            shown = _shown(admin, column)
            assert f"platform.{column} is of type {shown}; accepted are " in said, (column, found, said)
        assert said.count(" is of type ") == len(types)
        assert "docs/contract.md" in said
        if "app_user.active" in types:
            for read in (lambda: open_lookup(url).users(["u"]), lambda: read_users(url, ["u"])):
                with pytest.raises(BadInput, match=r"app_user\.active is of type"):
                    read()
    print(f"{len(sources)} sources of types that aren't accepted, {len(sources)} refused, 0 rows read")


def test_what_a_platform_refuses_is_one_message_and_is_not_tried_again(
    postgres: PostgresServer, admins: dict[str, psycopg.Connection[Any]]
) -> None:
    """A value, a right or a view that fails: `BadInput`, from whichever reader meets it first."""
    admin = admins["UTF8"]
    url = postgres.url(READER, admin.info.dbname, password=PASSWORD)
    for statement, says in hostile.FAULTS.items():
        hostile.give_plain(admin)
        _read_all(url)
        admin.execute(statement.encode())
        with pytest.raises(BadInput) as refused:
            _read_all(url)
        assert says in str(refused.value), statement
        assert "\n  -> " in str(refused.value)
    print(f"{len(hostile.FAULTS)} faulty sources, {len(hostile.FAULTS)} refused")


def test_what_may_come_back_is_tried_again(
    postgres: PostgresServer, admins: dict[str, psycopg.Connection[Any]]
) -> None:
    """A connection that ends, or a query that is cancelled, in the midst of the rows, is no fault of the source."""
    admin = admins["UTF8"]
    url = postgres.url(READER, admin.info.dbname, password=PASSWORD)
    for statement in hostile.OUTAGES:
        hostile.give_plain(admin)
        admin.execute(statement.replace("%s", admin.info.dbname).encode())
        # A session that began before has no limit yet, and would wait for the whole minute.
        with kept.paused(), pytest.raises(TransientError):
            _read_all(url)


def test_a_word_that_means_nothing_is_never_active(
    postgres: PostgresServer, admins: dict[str, psycopg.Connection[Any]]
) -> None:
    """Whoever is charged is looked up without a look at all users: there too, only the closed list is active."""
    admin = admins["UTF8"]
    hostile.give_plain(admin)
    admin.execute("alter table platform.app_user alter active type text using 'nyet'")
    url = postgres.url(READER, admin.info.dbname, password=PASSWORD)
    assert [user.active for user in read_users(url, ["u"])] == [None]
    assert open_lookup(url).active_users("a") == []


def test_encodings_that_cannot_be_read(postgres: PostgresServer, admins: dict[str, psycopg.Connection[Any]]) -> None:
    """Bytes that are no UTF-8, in a database of any bytes, and encodings of several bytes a character are refused."""
    admin = admins["SQL_ASCII"]
    url = postgres.url(READER, admin.info.dbname, password=PASSWORD)
    for table, column in (("charger", "charger_id"), ("account", "name")):
        hostile.give_plain(admin)
        admin.execute("set client_encoding to 'SQL_ASCII'")
        admin.execute(f"update platform.{table} set {column} = convert_from('\\xe9', 'SQL_ASCII')".encode())
        admin.execute("set client_encoding to 'UTF8'")
        with pytest.raises(BadInput, match='invalid byte sequence for encoding "UTF8"'):
            _read_all(url)
    with psycopg.connect(postgres.url(), autocommit=True) as server:
        server.execute("create database hostile_euc template template0 encoding 'EUC_JP' locale 'C'")
    try:
        with pytest.raises(BadInput, match="has the encoding EUC_JP; accepted are UTF8"):
            PostgresSource(postgres.url(database="hostile_euc")).check_contract()
    finally:
        postgres.drop_database("hostile_euc")


_TYPES_OF_DATABASES = """
    alter table platform.app_user alter active type text using case when active then 'Yes' else 'N' end;
    alter table platform.app_user alter user_id type char(20);
    alter table platform.account alter account_id type varchar(9);
    alter table platform.charger alter charger_id type uuid using md5(charger_id)::uuid,
        alter account_id type char(20), alter valid_from type timestamp using valid_from at time zone 'UTC',
        alter valid_to type timestamp using valid_to at time zone 'UTC';
    alter table platform.connector alter charger_id type uuid using md5(charger_id)::uuid,
        alter connector_id type numeric, alter status type char(12),
        alter valid_from type timestamp using valid_from at time zone 'UTC',
        alter valid_to type timestamp using valid_to at time zone 'UTC';
    alter table platform.account drop column language
"""


def test_a_month_bills_the_same_whatever_the_types(platform_db: str, warehouse_db: Any, tmp_path: Path) -> None:
    """Text for active, times without a zone in a database west of Greenwich, uuids and padded ids change no figure."""
    platform = Platform(platform_db)
    for account in ("good", "idle", "moved"):
        platform.account(account)
        platform.user(f"fa-{account}", account, active=account != "idle")
        platform.station(f"{account}-1", account, connectors=3)
    # Ended two hours before the count, which in Los Angeles' hours would be after it; begun as long after it.
    platform.connector("moved-1", 4, ends="2026-10-31T21:00:00Z")
    platform.connector("moved-1", 5, begins="2026-11-01T01:00:00Z")
    platform.save()
    platform.execute(_TYPES_OF_DATABASES)
    name = psycopg.conninfo.conninfo_to_dict(platform_db)["dbname"]
    platform.execute(f"alter database {name} set timezone to 'America/Los_Angeles'")
    settle_terms(warehouse_db.writer_url, *map(terms, ("good", "idle", "moved")))
    bill(Services(platform_db, warehouse_db.writer_url, str(tmp_path)))
    statements = "select account_id, total_minor from billing.statement order by 1"
    assert rows(warehouse_db.admin_url, statements) == [("good", 1785), ("moved", 1785)]
    unbilled = "select account_id, reason_id from billing.unbilled_account"
    assert rows(warehouse_db.admin_url, unbilled) == [("idle", "ADMIN-INACTIVE")]


def _shown(admin: psycopg.Connection[Any], column: str) -> str:
    """The type of a column as Postgres writes it."""
    table, name = column.split(".")
    query = "select format_type(atttypid, atttypmod) from pg_attribute where attrelid = %s::regclass and attname = %s"
    return str(admin.execute(query, (f"platform.{table}", name)).fetchall()[0][0])


def _read_all(url: str) -> None:
    """All that a month, its end and the pages read."""
    window = CountWindow(_utc(hostile.INSTANTS[0]), _utc(hostile.INSTANTS[-1]))
    source = PostgresSource(url, tables=TABLES)
    source.check_contract()
    source.read_accounts()
    source.survey(window)
    list(source.read_part(Part(0, 1, 1), ["a"], [window.last], window).shards)
    source.read_charges(["a"], [_utc(hostile.SINCE)], [_utc(hostile.UNTIL)], lambda _: None)
    assert read_users(url, ["u"]).get("u")
    lookup = open_lookup(url)
    assert len(lookup.find_accounts().rows) == len(lookup.active_users("a")) == 1
    assert lookup.history_of("a", window).connectors.num_rows == 1
