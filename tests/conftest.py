"""What all tests share: one real Postgres server a session, and fresh databases on it."""

from __future__ import annotations

import gc
import itertools
import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evbilling.warehouse import load_sql, migrate
from tests.support.kept_connections import connections_kept, kept
from tests.support.object_store import ObjectStore, running_object_store
from tests.support.postgres import PostgresServer

pytest_plugins = ["tests.support.schedule"]

REAL_DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "us-2020-10"
PASSWORD = "test"
_MEMORY = Path("/dev/shm")  # ruff: ignore[hardcoded-temp-file]  # Linux' file system in memory
_MEMORY_NEEDED = 8 << 30  # for all workers; a session leaves some 100 databases of 12 MB as templates

_numbers = itertools.count(1)


def pytest_configure(config: pytest.Config) -> None:
    """Give the session a temporary folder of its own.

    Run by root, the embedded Postgres has a user of its own. pytest's usual folder is shared, and each session that
    starts takes the rights to it away from that user, while the servers of other sessions run there.
    """
    gc.disable()  # until all is imported
    if config.option.basetemp is None and not hasattr(config, "workerinput"):
        config.option.basetemp = tempfile.mkdtemp(prefix="evbilling-tests-")
        config.add_cleanup(partial(shutil.rmtree, config.option.basetemp, ignore_errors=True))


def pytest_collection_finish() -> None:
    """What is imported stays for good: to look through all of it for garbage took a tenth of the pages' tests."""
    gc.enable()
    gc.collect()
    gc.freeze()
    # Whole looks are rarer, because what fixtures import lies there too.
    gc.set_threshold(2_000, 20, 50)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A worker of `pytest -n` can't tell of half a character, which some tests have us log."""
    report = yield
    report.sections = [(title, text.encode("utf-8", "backslashreplace").decode()) for title, text in report.sections]
    return report


@dataclass(frozen=True)
class WarehouseDb:
    """A migrated warehouse and the URLs of its three logins."""

    admin_url: str
    writer_url: str
    finance_url: str


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory, known_findings: None) -> Iterator[PostgresServer]:
    """A running server with an empty `warehouse_template` (migrated) and `platform_template`."""
    folder = _memory_folder() or tmp_path_factory.mktemp("pg")
    server = PostgresServer(folder, durable=False)
    server.start()
    # Hashed anew: the hash of before the start takes each login of the superuser thousands of rounds.
    server.set_password("postgres", server.password or PASSWORD)
    try:
        for name in ("warehouse_template", "platform_template"):
            server.create_database(name)
        migrate(server.url(database="warehouse_template"))
        for role in ("evbilling_writer", "finance_reader"):
            server.set_password(role, PASSWORD)
        with psycopg.connect(server.url(database="platform_template")) as connection:
            connection.execute(load_sql("scripts/local/platform.sql").encode())
        with connections_kept():
            yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def new_sessions(postgres: PostgresServer) -> Iterator[None]:
    """For what depends on how a session begins or ends: none is used again."""
    with kept.paused():
        yield


def _memory_folder() -> Path | None:
    """A new folder in memory, where there is much of it: there a database is copied in 20 ms instead of 300."""
    if not os.access(_MEMORY, os.W_OK) or shutil.disk_usage(_MEMORY).free < _MEMORY_NEEDED:
        return None
    folder = Path(tempfile.mkdtemp(prefix="evbilling-tests-", dir=_MEMORY))
    folder.chmod(0o755)  # run by root, the server has a user of its own
    return folder


@pytest.fixture(scope="session")
def known_findings() -> Iterator[None]:
    """Great Expectations judges equal frames by equal suites once a session: that is half the time of a small month."""
    from evbilling.expectations import Validator

    judge, known = Validator.validate, dict[tuple[str, ...], Any]()

    def validate(self: Validator, frame: Any, suite: Any, **options: Any) -> Any:
        asked = (str(suite.to_json_dict()), str(options), str(frame.dtypes), frame.to_csv())
        if asked not in known:
            known[asked] = judge(self, frame, suite, **options)
        return list(known[asked])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Validator, "validate", validate)
        yield


@contextmanager
def _fresh(server: PostgresServer, template: str) -> Generator[str]:
    """Name of a copy. It is dropped at once, before its files, of which a session has gigabytes, get to the disk."""
    name = f"{template.removesuffix('_template')}_{next(_numbers)}"
    server.create_database(name, template=template)
    try:
        yield name
    finally:
        server.drop_database(name)


@pytest.fixture
def platform_db(postgres: PostgresServer) -> Iterator[str]:
    """URL of a fresh platform database: the five tables, empty."""
    with _fresh(postgres, "platform_template") as name:
        yield postgres.url(database=name)


@pytest.fixture
def warehouse_db(postgres: PostgresServer) -> Iterator[WarehouseDb]:
    """A fresh warehouse. Cloned from a migrated one: what `migrate` sets on the database itself isn't copied."""
    with _fresh(postgres, "warehouse_template") as name:
        yield WarehouseDb(
            admin_url=postgres.url(database=name),
            writer_url=postgres.url("evbilling_writer", name, password=PASSWORD),
            finance_url=postgres.url("finance_reader", name, password=PASSWORD),
        )


@pytest.fixture(scope="session")
def object_store() -> Iterator[ObjectStore]:
    """A running S3-compatible store; each test makes a bucket of its own in it."""
    with running_object_store() as store:
        yield store


@pytest.fixture
def real_data() -> Path:
    """The folder of the real US inventory; skips where the project's shared data isn't at hand."""
    if not REAL_DATA.is_dir():
        pytest.skip("the real inventory isn't at hand: it lies beside the checkout, not in it")
    return REAL_DATA
