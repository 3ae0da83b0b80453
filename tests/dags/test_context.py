"""The adapters between Airflow and the product: the period, who asked, connections as URLs, what is tried again."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from airflow.sdk import RetryAction

from evbilling.errors import BadInput, NotReady, SetFault, StaleTry, TransientError
from evbilling_airflow.connections import services
from evbilling_airflow.context import actor, billing_period
from evbilling_airflow.defaults import RETRY_POLICY

pytestmark = pytest.mark.airflow

PLATFORM, WAREHOUSE, EVIDENCE = (f"AIRFLOW_CONN_{name}" for name in ("CHARGING_PLATFORM", "WAREHOUSE", "EVIDENCE"))


def context(key: str | None = None, param: str | None = None, **run: Any) -> dict[str, Any]:
    return {"partition_key": key, "params": {"period": param}, "dag_run": SimpleNamespace(partition_key=key, **run)}


@pytest.mark.parametrize(
    ("key", "param"), [("2026-11", None), (None, "2026-11"), ("2026-11", "2026-11"), ("", "2026-11")]
)
def test_the_period_is_the_key_or_the_param(key: str | None, param: str | None) -> None:
    """Scheduler, backfill and API give a partition key, `dags test` a Param: all mean the same month."""
    assert str(billing_period(context(key, param))) == "2026-11"


def test_the_period_is_found_on_the_run_too() -> None:
    """A context that lacks the key, as of some Airflow versions, still has it on the DAG run."""
    assert str(billing_period({"dag_run": SimpleNamespace(partition_key="2026-11")})) == "2026-11"


def test_no_period_is_refused_whatever_the_dates_say() -> None:
    """Neither key nor Param: no month is guessed from the run's dates or from the clock."""
    dated = context() | {"ds": "2026-11-01", "logical_date": "2026-11-01T12:00:00Z", "partition_date": "2026-11-01"}
    with pytest.raises(BadInput, match="no billing period given") as refused:
        billing_period(dated)
    assert "partition key such as 2026-11" in str(refused.value)


def test_two_different_periods_are_refused_by_name() -> None:
    """A key and a Param that disagree: the message names both, and none of them is billed."""
    with pytest.raises(BadInput, match=r"2026-11, the Param period says 2026-10"):
        billing_period(context("2026-11", "2026-10"))


@pytest.mark.parametrize("text", ["2026-13", "2026-1", "2026-11-01", "November", " 2026-11", "2026-11\n"])
def test_what_is_no_month_is_refused(text: str) -> None:
    """A key that Airflow let pass still has to be a month."""
    with pytest.raises(BadInput, match="is not a billing period"):
        billing_period(context(text))


def test_the_actor_is_who_triggered_the_run() -> None:
    """A person's name where one triggered the run, else what kind of run it is."""
    assert actor(context(triggering_user_name="ann", run_type="manual")) == "ann"
    assert actor(context(triggering_user_name=None, run_type=SimpleNamespace(value="scheduled"))) == "airflow:scheduled"
    assert actor(context(run_type="backfill")) == "airflow:backfill"


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets connections by their environment variables; those not named are plain and good."""

    def give(**named: Any) -> None:
        plain = {"platform": "postgresql://p/x", "warehouse": "postgresql://w/x", "evidence": "file:///e"}
        for name, variable in zip(plain, (PLATFORM, WAREHOUSE, EVIDENCE), strict=True):
            value = named.get(name, plain[name])
            if value is None:
                monkeypatch.delenv(variable, raising=False)
            else:
                monkeypatch.setenv(variable, value if isinstance(value, str) else json.dumps(value))

    return give


def dsn(url: str) -> dict[str, Any]:
    """What libpq itself reads out of a URL."""
    return psycopg.conninfo.conninfo_to_dict(url)


@pytest.mark.parametrize("password", ["p@ss:w/o?r#d%41", "ü ñ", "a+b&c=d", "'\"\\"])
def test_a_password_of_any_characters_arrives(connections: Any, password: str) -> None:
    """Login, password and database reach Postgres letter by letter, whatever stands in them."""
    connections(
        warehouse={
            "conn_type": "postgres",
            "host": "db.example",
            "port": 6543,
            "login": "wri@ter",
            "password": password,
            "schema": "ware house?#1",
        }
    )
    assert dsn(services().warehouse_url) == {
        "host": "db.example",
        "port": "6543",
        "user": "wri@ter",
        "password": password,
        "dbname": "ware house?#1",
    }


@pytest.mark.parametrize("password", ["p@ss:w/o?r#d%41", "a+b&c=d"])
def test_a_connection_uri_means_the_same(connections: Any, password: str) -> None:
    """The short form of a connection, one URI, loses no character either."""
    connections(platform=f"postgres://reader:{quote(password, safe='')}@db.example:6543/charging?sslmode=require")
    assert dsn(services().platform_url) == {
        "host": "db.example",
        "port": "6543",
        "user": "reader",
        "password": password,
        "dbname": "charging",
        "sslmode": "require",
    }


def test_options_of_libpq_come_from_the_extra_field(connections: Any) -> None:
    """A socket's folder, TLS and time-outs are given where Airflow keeps them."""
    connections(
        warehouse={
            "conn_type": "postgres",
            "login": "writer",
            "schema": "warehouse",
            "extra": {"host": "/run/post gres", "sslmode": "verify-full", "connect_timeout": 5, "__extra__": "{}"},
        }
    )
    assert dsn(services().warehouse_url) == {
        "host": "/run/post gres",
        "user": "writer",
        "dbname": "warehouse",
        "sslmode": "verify-full",
        "connect_timeout": "5",
    }


def test_an_ipv6_address_arrives(connections: Any) -> None:
    """An IPv6 host is told from its port."""
    connections(warehouse={"conn_type": "postgres", "host": "2001:db8::7", "port": 5432, "schema": "warehouse"})
    assert dsn(services().warehouse_url) == {"host": "2001:db8::7", "port": "5432", "dbname": "warehouse"}


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"conn_type": "fs", "extra": {"path": "/data/plat form"}}, "/data/plat form"),
        ({"conn_type": "fs", "extra": {"url": "s3://bucket/a/b"}}, "s3://bucket/a/b"),
        ({"conn_type": "aws", "extra": {"url": "s3://bucket"}}, "s3://bucket"),
        ("file:///data/platform", "/data/platform"),
        ("file:///data/plat%20form", "/data/plat form"),
        ("s3://bucket/inventory/2026", "s3://bucket/inventory/2026"),
        ("gs://bucket/inventory", "gs://bucket/inventory"),
        ("https://files.example:8443/inventory", "https://files.example:8443/inventory"),
    ],
)
def test_files_may_lie_in_a_folder_or_an_object_store(connections: Any, given: Any, place: str) -> None:
    """The platform and the evidence are named by a path, a file URI or an object store's URL."""
    connections(platform=given, evidence=given)
    assert services().platform_url == place
    assert services().evidence_url == place


def test_the_warehouse_must_be_postgres(connections: Any) -> None:
    """A warehouse of another type is refused with its type and what to do."""
    connections(warehouse="mysql://u:secret@db/x")
    with pytest.raises(BadInput, match="warehouse is of type mysql") as refused:
        services()
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "variable"), [("platform", PLATFORM), ("warehouse", WAREHOUSE), ("evidence", EVIDENCE)]
)
def test_a_missing_connection_is_named_with_its_variable(connections: Any, name: str, variable: str) -> None:
    """Whoever sets up a deployment reads which connection is missing and how to define it."""
    connections(**{name: None})
    with pytest.raises(BadInput, match="there is no Airflow connection") as refused:
        services()
    assert variable in str(refused.value)


def test_a_connection_without_a_place_is_refused(connections: Any) -> None:
    """A connection that names neither a host nor a path can't be read from."""
    connections(evidence={"conn_type": "aws", "login": "key"})
    with pytest.raises(BadInput, match="evidence names no place"):
        services()


@pytest.mark.parametrize("kind", [BadInput, SetFault, StaleTry, NotReady])
def test_what_a_second_try_cant_mend_fails_at_once(kind: type[Exception]) -> None:
    """Bad data, a stale try, a missing part: the first message stands, no retry hides it."""
    assert RETRY_POLICY.evaluate(kind("x"), 1, 3).action is RetryAction.FAIL


def test_a_silent_service_is_tried_again() -> None:
    """What is outside and may come back is tried again, with the task's own delays."""
    decision = RETRY_POLICY.evaluate(TransientError("no answer"), 1, 3)
    assert decision.action is RetryAction.RETRY
    assert decision.retry_delay is None


def test_an_unforeseen_error_has_airflows_own_retries() -> None:
    """A killed worker or a bug isn't ours to judge: Airflow's usual retries apply."""
    assert RETRY_POLICY.evaluate(MemoryError(), 1, 3).action is RetryAction.DEFAULT
