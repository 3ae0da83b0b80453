"""Postgres' errors through each of the three drivers: what may come back, bad input, what isn't set up, and bugs."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
import sqlalchemy
from sqlalchemy.pool import NullPool

from evbilling.errors import BadInput, EvbillingError, NotReady, StaleTry, TransientError
from evbilling.warehouse import connected, explained, snapshot
from evbilling.warehouse.database_errors import BY_CLASS, BY_CODE
from evbilling_local.stack import bin_directory
from tests.conftest import WarehouseDb

Run = Callable[[str, list[str]], None]


def _stop_after(statement: str) -> None:
    """As a task that is stopped: nothing is asked of the server until its patience has ended."""
    if "_timeout = 20" in statement:
        time.sleep(0.1)


def by_psycopg(url: str, statements: list[str]) -> None:
    with connected(url, what="warehouse") as connection:
        for statement in statements:
            connection.execute(statement.encode())
            _stop_after(statement)


def by_adbc(url: str, statements: list[str]) -> None:
    with snapshot(url, what="warehouse") as cursor:
        for statement in statements:
            cursor.execute(statement)
            # The server works while its rows are fetched.
            if cursor.description:
                cursor.fetch_arrow_table()
            _stop_after(statement)


def by_sqlalchemy(url: str, statements: list[str]) -> None:
    engine = sqlalchemy.create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)
    with explained("warehouse"), engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
            _stop_after(statement)


_RAISE = "do $$ begin raise exception 'that won''t do' using errcode = '{}'; end $$"
CASES: dict[str, tuple[list[str], type[EvbillingError] | None]] = {
    "stopped within a transaction": (
        ["set local idle_in_transaction_session_timeout = 20", "select 1"],
        TransientError,
    ),
    "too long a transaction": (["set local transaction_timeout = 20", "select 1"], TransientError),
    "a standby": (["set local transaction_read_only = on", "create table public.t ()"], TransientError),
    "ended by an admin": (["select pg_terminate_backend(pg_backend_pid())"], TransientError),
    "cancelled": (["set local statement_timeout = 5", "select pg_sleep(5)"], TransientError),
    "a serialization failure": ([_RAISE.format("40001")], TransientError),
    "too many connections": ([_RAISE.format("53300")], TransientError),
    "a value of another type": (["select 'x'::text::integer"], BadInput),
    "too long a value": ([_RAISE.format("54000")], BadInput),
    "no right": (["select rolpassword from pg_authid"], NotReady),
    "not migrated": (["select * from billing.no_such_table"], NotReady),
    "a newer try": ([_RAISE.format("EV001")], StaleTry),
    "refused by a function": ([_RAISE.format("EV004")], BadInput),
    "a bug": (["select no_such_column"], None),
    "a constraint": ([_RAISE.format("23505")], None),
}


@pytest.mark.postgres
@pytest.mark.parametrize("run", [by_psycopg, by_adbc, by_sqlalchemy])
def test_every_driver_says_alike_what_became_of_a_statement(warehouse_db: WarehouseDb, run: Run) -> None:
    """A real server's answer is the same one of our errors, whoever reads or writes; a bug stays as it is."""
    seen: dict[str, type[Exception] | None] = {}
    for case, (statements, _) in CASES.items():
        with pytest.raises(Exception) as caught:  # ruff: ignore[pytest-raises-too-broad]
            run(warehouse_db.writer_url, statements)
        is_ours = isinstance(caught.value, EvbillingError)
        seen[case] = type(caught.value) if is_ours else None
        if isinstance(caught.value, EvbillingError):
            assert (caught.value.where or "").startswith("warehouse")
            assert warehouse_db.writer_url not in str(caught.value)
    assert seen == {case: kind for case, (_, kind) in CASES.items()}


@pytest.mark.postgres
def test_what_a_foreign_database_refuses_is_no_bug_of_ours(warehouse_db: WarehouseDb) -> None:
    """A column or right that the platform lacks is one message with what to do; what may come back still does."""
    url = warehouse_db.writer_url
    with pytest.raises(BadInput, match="no_such_column"), connected(url, what="platform", foreign=True) as connection:
        connection.execute("select no_such_column")
    with pytest.raises(BadInput, match="no_such_column"), snapshot(url, what="platform", foreign=True) as cursor:
        cursor.execute("select no_such_column")
    with pytest.raises(TransientError), connected(url, what="platform", foreign=True) as connection:
        connection.execute("select pg_terminate_backend(pg_backend_pid())")


def test_every_class_of_postgres_errors_is_decided_once() -> None:
    """The table of the server in use has no class that isn't decided, and no single code is decided that it lacks."""
    table = (bin_directory().parent / "share" / "errcodes.txt").read_text(encoding="utf-8")
    codes = set(re.findall(r"^([0-9A-Z]{5})\s+[EWS]\s", table, re.MULTILINE))
    assert len(codes) > 250
    assert {code[:2] for code in codes} == set(BY_CLASS)
    assert set(BY_CODE) <= codes
    assert [code for code, verdict in BY_CODE.items() if verdict is BY_CLASS[code[:2]]] == []
