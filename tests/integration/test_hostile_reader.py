"""finance_reader turned against the warehouse: it can't write, lock the others out, or keep a month from ending."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

import evbilling.warehouse.schema
from evbilling.errors import TransientError
from evbilling.settings import record_settings
from evbilling.warehouse import connected, migrate
from tests.support.books import Books
from tests.support.month import one, rows, terms
from tests.support.postgres import PostgresServer

pytestmark = [pytest.mark.postgres, pytest.mark.usefixtures("new_sessions")]

# Volatile functions that any login may execute, and why they may stay: a new one of a later Postgres is looked at here.
HARMLESS = {
    r".*handler|.*validat(e|or)|bernoulli|system|dsnowball_.*": "support of types and languages",
    r"array_s.*|random.*|setseed|gen_random_uuid|uuidv.|clock_timestamp|timeofday|current_query|ts_.*": "computes",
    r"(cursor|query)_to_xml.*|currtid2|pg_table.*_size|pg_relation_size": "reads",
    r"lo_(close|get|lseek(64)?|open|tell(64)?)|loread": "reads a large object; nobody can make one",
    r"pg_(blocking_pids|control_.*|current_wal.*|database_.*|export_snapshot|extension_config_dump)": "reads",
    r"pg_(collation_actual_version|get_.*|indexes_size|is_.*|jit_available|last_.*|lock_status|partition_.*)": "reads",
    r"pg_(available_wal_summaries|prepared_xact|safe_snapshot.*|sequence_last_value|isolation_test_.*)": "reads",
    r"pg_(stat_.*|total_relation_size|wal_.*|xact_.*|notification_queue_usage)|txid_status": "reads",
    r"pg_(cancel|terminate)_backend|pg_sleep.*|set_config": "its own sessions",
    r"(next|set|curr|last)val": "needs a right to the sequence",
    r"brin_.*|gin_.*|pg_(clear|restore)_.*_stats": "needs the table's owner, or MAINTAIN",
    r"pg_(copy|create|logical|replication|drop|sync)_.*slot.*": "needs REPLICATION",
    r"binary_upgrade_.*|pg_nextoid|pg_import_system_collations|pg_stop_making_pinned_objects": "needs a superuser",
    # The command NOTIFY does the same, and there is no right to it.
    r"pg_notify": "docs/security.md",
}
_VIEWS = "select viewname from pg_views where schemaname = 'finance'"


@pytest.fixture
def books(platform_db: str, warehouse_db: Any, tmp_path: Path) -> Books:
    return Books(platform_db, warehouse_db, tmp_path)


def _writing(url: str) -> psycopg.Connection[Any]:
    """A reader's session that has lifted all that a session can lift."""
    connection = psycopg.connect(url, autocommit=True)
    for setting in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "transaction_timeout"):
        connection.execute(f"set {setting} = 0".encode())
    connection.execute("set session characteristics as transaction read write")
    return connection


TRIES = [
    "select lo_create(4711)",
    "select lo_from_bytea(0, decode(repeat('00', 1000), 'hex'))",
    "select lo_import('/etc/passwd')",
    "select pg_advisory_lock(hashtext('evbilling stage'))",
    "select pg_advisory_xact_lock(n) from generate_series(1, 100000) n",
    "select pg_try_advisory_lock_shared(1, 2)",
    "select pg_logical_emit_message(false, 'x', repeat('x', 1000))",
    "select pg_current_xact_id()",
    "select txid_current()",
    "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'evbilling_writer'",
    "create table public.mine (a int)",
    "create schema mine",
    "prepare transaction 'mine'",
    "alter role finance_reader connection limit -1",
    "set temp_file_limit = -1",
    "set role evbilling_writer",
    "select billing.take_lock('stage')",
    "lock table billing.statement in access share mode",
    "copy finance.statements to program 'true'",
]


@pytest.mark.parametrize("statement", TRIES)
def test_the_reader_is_refused(warehouse_db: Any, statement: str) -> None:
    """Whatever its session has set."""
    with (
        psycopg.connect(warehouse_db.writer_url),
        _writing(warehouse_db.finance_url) as connection,
        connection.transaction(force_rollback=True),
        pytest.raises(psycopg.Error),
    ):
        connection.execute(statement.encode())


def test_a_view_is_locked_for_reading_alone(warehouse_db: Any) -> None:
    """`lock table` and `for update` on a view would lock the tables beneath."""
    views = [name for (name,) in rows(warehouse_db.admin_url, _VIEWS)]
    assert len(views) > 10
    with _writing(warehouse_db.finance_url) as connection:
        for view in views:
            for statement in (
                f"lock table finance.{view} in row share mode nowait",
                f"lock table finance.{view} in access exclusive mode nowait",
                f"select * from finance.{view} for key share",
                f"select * from finance.{view} for update",
                f"delete from finance.{view}",
            ):
                with connection.transaction(force_rollback=True), pytest.raises(psycopg.Error):
                    connection.execute(statement.encode())


def test_nothing_that_the_reader_may_execute_writes(warehouse_db: Any) -> None:
    """All volatile functions of the server that are open to everybody are known here to be harmless."""
    query = f"""select oid::regprocedure::text from pg_proc
                where provolatile = 'v' and has_function_privilege(oid, 'execute')
                  and prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)
                  and proname !~ '^({"|".join(HARMLESS)})$' order by 1"""
    assert rows(warehouse_db.finance_url, query) == []


def test_a_reader_keeps_no_month_from_ending(books: Books) -> None:
    """With every view read and locked in a transaction that never ends, two months are billed, stated and corrected."""
    with psycopg.connect(books.warehouse.admin_url) as connection:
        connection.execute(
            """do $$ begin execute format('alter role evbilling_writer in database %I set statement_timeout = %L',
                                          current_database(), '60s'); end $$"""
        )
    books.open("a", "b")
    books.month("2026-11")
    with _writing(books.warehouse.finance_url) as connection, connection.transaction():
        for (view,) in connection.execute(_VIEWS).fetchall():
            connection.execute(f"lock table finance.{view} in access share mode".encode())
            connection.execute(f"select * from finance.{view}".encode())
        assert books.month("2026-12")["statements"] == 2
        assert record_settings(books.writer, [terms("a", "7.00")], "ann").added == 1
        books.bill("2026-11")
        newest = "array(select max(statement_id) from billing.statement)"
        assert rows(books.writer, f"select billing.request_mail('r', {newest}, null, 'ann', 'lost')")
        assert one(books.warehouse.finance_url, "select count(*) from finance.statements") == 8


@pytest.mark.full
def test_the_one_table_that_a_month_replaces_is_waited_for_briefly(books: Books) -> None:
    """A period's table of decisions without a row is dropped: a reader of it is named after ten seconds."""
    books.open("a")
    books.platform.execute("update platform.charger set scope_status = 'Closed'")
    record_settings(books.writer, [terms("a", exclude_closed=True)], "ann")
    books.bill("2026-11")
    with psycopg.connect(books.warehouse.admin_url) as connection:
        connection.execute("delete from billing.connector_decision")
    with psycopg.connect(books.warehouse.finance_url) as connection:
        connection.execute("select * from finance.connector_decisions")
        with pytest.raises(TransientError, match="has kept a lock that this step needs"):
            books.bill("2026-11")
    books.bill("2026-11")
    assert one(books.warehouse.admin_url, "select count(*) from billing.connector_decision") == 1


def test_the_reader_leaves_connections_to_others(postgres: PostgresServer, warehouse_db: Any) -> None:
    """More sessions than its limit are refused; a limit that the administrator has set stays."""
    limit = one(warehouse_db.admin_url, "select rolconnlimit from pg_roles where rolname = 'finance_reader'")
    assert limit == 10
    with ExitStack() as stack:
        for _ in range(limit):
            stack.enter_context(psycopg.connect(warehouse_db.finance_url))
        with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
            psycopg.connect(warehouse_db.finance_url)
        assert one(warehouse_db.writer_url, "select 1") == 1


def test_limits_are_set_by_the_migration(postgres: PostgresServer) -> None:
    """Each login's defaults in the database, and the one limit that only a superuser can set."""
    name = "limited"
    url = postgres.create_database(name)
    migrate(url)
    found = dict(
        rows(
            url,
            """select setrole::regrole::text, setconfig from pg_db_role_setting
               join pg_database d on d.oid = setdatabase where datname = current_database()""",
        )
    )
    postgres.drop_database(name)
    assert set(found["finance_reader"]) == {
        "statement_timeout=5min",
        "lock_timeout=10s",
        "idle_in_transaction_session_timeout=5min",
        "transaction_timeout=15min",
        "default_transaction_read_only=on",
        "temp_file_limit=10GB",
    }
    assert found["evbilling_writer"] == ["idle_in_transaction_session_timeout=15min"]


def test_without_a_superuser_it_is_told_what_stays_open(
    postgres: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    """An admin that owns the database and may create roles migrates it; only the server's own functions stay open."""
    name = "modest"
    url = postgres.create_database(name)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create role modest_admin login createrole password 'test'")
        connection.execute("alter database modest owner to modest_admin")
        connection.execute("grant evbilling_owner, evbilling_writer, finance_reader to modest_admin with admin option")
    try:
        assert migrate(postgres.url("modest_admin", name, password="test"))
        assert "run evbilling migrate once as a superuser" in caplog.text
        caplog.clear()
        assert migrate(url) == []
        assert "superuser" not in caplog.text
        assert rows(url, "select has_function_privilege('finance_reader', 'lo_create(oid)', 'execute')") == [(False,)]
    finally:
        postgres.drop_database(name)
        with psycopg.connect(postgres.url(), autocommit=True) as connection:
            connection.execute("drop owned by modest_admin; drop role modest_admin")


def test_a_migration_that_waits_for_a_reader_gives_up(warehouse_db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others would queue behind it; it changes nothing and says what to do."""
    monkeypatch.setattr(evbilling.warehouse.schema, "_LONGEST_WAIT", "200ms")
    with psycopg.connect(warehouse_db.finance_url) as connection:
        connection.execute("select * from finance.statements")
        with pytest.raises(TransientError, match=r"(?s)another session has kept a lock.*pg_terminate_backend"):
            migrate(warehouse_db.admin_url)
    assert migrate(warehouse_db.admin_url) == []


def test_two_migrations_at_once_take_turns(warehouse_db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second waits for the first to end."""
    monkeypatch.setattr(evbilling.warehouse.schema, "_LONGEST_WAIT", "200ms")
    with psycopg.connect(warehouse_db.admin_url) as connection:
        connection.execute("create schema evbilling_migration; drop schema evbilling_migration")
        with pytest.raises(TransientError, match="another session has kept a lock"):
            migrate(warehouse_db.admin_url)


def test_a_lock_that_is_kept_too_long_is_told(warehouse_db: Any) -> None:
    """Which lock it is and what to do, instead of a wait without end; there are no locks but the known ones."""
    with psycopg.connect(warehouse_db.writer_url) as first:
        first.execute("select billing.take_lock('settings')")
        with (
            pytest.raises(
                TransientError, match=r"(?s)kept the lock settings for more than 00:00:00\.1.*pg_stat_activity"
            ),
            connected(warehouse_db.writer_url, what="warehouse") as second,
        ):
            second.execute("select billing.take_lock('settings', '100 ms')")
        with connected(warehouse_db.writer_url, what="warehouse") as second:
            second.execute("select billing.take_lock('stage', '100 ms')")
    for scope in ("'mine'", "'issue 2026-11'", "null"):
        with psycopg.connect(warehouse_db.writer_url) as connection, pytest.raises(psycopg.Error, match="no lock"):
            connection.execute(f"select billing.take_lock({scope})".encode())


def test_no_advisory_lock_is_left() -> None:
    """Everybody who may log in can take an advisory lock whose key it knows or guesses."""
    root = Path(__file__).resolve().parents[2]
    files = [*root.glob("include/evbilling/**/*.py"), *root.glob("plugins/**/*.py"), *root.glob("sql/**/*.sql")]
    assert len(files) > 200
    found = {path.name for path in files if "advisory" in path.read_text(encoding="utf-8")}
    assert found == {"roles.sql", "take_lock.sql"}
