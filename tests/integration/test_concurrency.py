"""Shards, stale tries and runs that race: each month is published once, whole, and without gaps."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evbilling.connector_statements import apply_scope_rules, close_run, extract_inventory, open_run, validate
from evbilling.errors import StaleTry, TransientError
from evbilling.period import Period
from evbilling.platform import CountWindow, Part
from evbilling.platform.postgres import PostgresSource
from evbilling.services import Services
from tests.support.month import (
    NOW,
    PERIOD,
    Platform,
    bill,
    contents,
    one,
    plan_and_issue,
    published,
    request,
    rows,
    settle_terms,
    stage,
    staging_tables,
    terms,
)

pytestmark = pytest.mark.postgres


def _services(platform_url: str, warehouse: Any, evidence: Path, *, accounts: int = 4, chargers: int = 30) -> Services:
    """A platform of a few hundred connectors in good order, billed per connector."""
    platform = Platform(platform_url)
    names = [f"account-{n:02d}" for n in range(accounts)]
    for name in names:
        platform.plain_account(name)
        for charger in range(chargers):
            platform.station(f"{name}-c{charger}", name, connectors=2 + charger % 3)
    platform.save()
    settle_terms(warehouse.writer_url, *[terms(name) for name in names])
    return Services(platform_url, warehouse.writer_url, str(evidence))


def _together(*deeds: Callable[[], Any]) -> list[Any]:
    """All deeds begun at one moment, each in a thread of its own; raises what any of them raises."""
    start = threading.Barrier(len(deeds))

    def run(deed: Callable[[], Any]) -> Any:
        start.wait()
        return deed()

    with ThreadPoolExecutor(len(deeds)) as pool:
        return [future.result() for future in [pool.submit(run, deed) for deed in deeds]]


def test_many_shards_come_to_the_same_month_as_one(platform_db: str, warehouse_db: Any, tmp_path: Path) -> None:
    """Split sixteen ways, each connector lies in its partition once, and one shard finds nothing to change."""
    services = _services(platform_db, warehouse_db, tmp_path)
    many = bill(services, shard_rows=25)
    assert len(many.shards) == 16
    parts = rows(
        warehouse_db.admin_url,
        """select tableoid::regclass::text, count(*) from billing.connector_decision group by 1 order by 1""",
    )
    assert {name for name, _ in parts} == {f"billing.connector_decision_2026_11_{n}" for n in range(16)}
    assert sum(count for _, count in parts) == sum(shard["billed"] for shard in many.decided)
    before = published(warehouse_db.admin_url)
    one_shard = bill(services)
    assert (one_shard.shards, one_shard.issued["outcome"]) == ([0], "unchanged")
    assert published(warehouse_db.admin_url) == before


def test_the_parts_of_a_run_are_staged_side_by_side(
    platform_db: str, warehouse_db: Any, tmp_path: Path, full: bool
) -> None:
    """Tasks of one run that begin at one moment all succeed, from a folder's copy to the staged decisions."""
    services = _services(platform_db, warehouse_db, tmp_path, accounts=2, chargers=10)
    for _ in range(5 if full else 2):
        opened = open_run(services, request(), now=NOW, shard_rows=1)
        run_id, parts = opened["run_id"], opened["parts"]
        assert len(parts) >= 8
        _together(*[partial(extract_inventory, services, run_id, part) for part in parts])
        _together(*[partial(apply_scope_rules, services, run_id, part) for part in parts])
    validate(services, run_id)
    assert plan_and_issue(services, run_id)["statements"] == 2


def test_numbers_are_gapless_in_every_period(platform_db: str, warehouse_db: Any, tmp_path: Path) -> None:
    """Each period counts from 1 without a gap, also when its accounts are issued by several runs."""
    services = _services(platform_db, warehouse_db, tmp_path, chargers=1)
    with psycopg.connect(platform_db) as connection:
        connection.execute("update platform.app_user set active = user_id like '%00'")
    bill(services, "2026-10")
    bill(services, "2026-11")
    with psycopg.connect(platform_db) as connection:
        connection.execute("update platform.app_user set active = true")
    bill(services, "2026-10")
    query = "select period, number from billing.statement order by 1, 2"
    expected = [("2026-10", n) for n in (1, 2, 3, 4)] + [("2026-11", 1)]
    assert rows(warehouse_db.admin_url, query) == expected


def test_a_stale_epoch_publishes_nothing(platform_db: str, warehouse_db: Any, tmp_path: Path) -> None:
    """A try whose step was taken over fails at the fence, and no row of it stays."""
    services = _services(platform_db, warehouse_db, tmp_path, chargers=1)
    run_id, _, _ = stage(services)
    before = contents(warehouse_db.admin_url)
    with services.warehouse() as connection:
        epoch = connection.execute("select billing.raise_fence('issue 2026-11')").fetchone()[0]  # type: ignore[index]
        connection.execute("select billing.raise_fence('issue 2026-11')")
    query = "select * from billing.publish_connector_statements(%s, %s, 'ann', 'late')"
    with pytest.raises(StaleTry, match="a newer try holds issue 2026-11"), services.warehouse() as connection:
        connection.execute(query, (run_id, epoch))
    after = contents(warehouse_db.admin_url)
    assert {name for name in after if after[name] != before[name]} == {"fence"}


def test_who_holds_a_fence_keeps_others_from_raising_it(warehouse_db: Any) -> None:
    """A newer try waits for the holder's transaction: it can't begin between the check and the writes."""
    with (
        psycopg.connect(warehouse_db.admin_url) as holder,
        psycopg.connect(warehouse_db.admin_url, autocommit=True) as newer,
    ):
        row = holder.execute("select billing.raise_fence('issue 2026-11')").fetchone()
        holder.commit()
        holder.execute("select billing.hold_fence('issue 2026-11', %s)", row)
        newer.execute("set lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            newer.execute("select billing.raise_fence('issue 2026-11')")
        holder.commit()
        newer.execute("select billing.raise_fence('issue 2026-11')")
        with pytest.raises(psycopg.Error, match="a newer try holds issue 2026-11"):
            holder.execute("select billing.hold_fence('issue 2026-11', %s)", row)


def _opened(connection: psycopg.Connection[Any], run_id: int, shard: int) -> tuple[str, int]:
    """The empty table of a new try at a shard, and its epoch."""
    row = connection.execute("select * from billing.open_shard(%s, %s)", (run_id, shard)).fetchone()
    table, epoch = row or ("", 0)
    connection.execute("select billing.make_shard_table(%s, %s, %s)", (run_id, shard, epoch))
    return table, epoch


def test_a_stale_try_of_a_shard_is_refused(platform_db: str, warehouse_db: Any, tmp_path: Path) -> None:
    """Of two tries at one shard the first can't put its table in place any more; the second can."""
    services = _services(platform_db, warehouse_db, tmp_path, chargers=1)
    run_id, _, _ = stage(services)
    close = "select billing.close_shard(%s, 0, %s, 0, 'uri', 'sha', '{}')"
    with services.warehouse() as connection:
        tries = [_opened(connection, run_id, 0)[1] for _ in "12"]
    with pytest.raises(StaleTry, match=f"a newer try holds run {run_id} shard 0"), services.warehouse() as connection:
        connection.execute(close, (run_id, tries[0]))
    with services.warehouse() as connection:
        connection.execute(close, (run_id, tries[1]))


def test_a_shard_that_lost_rows_is_refused(platform_db: str, warehouse_db: Any, tmp_path: Path) -> None:
    """A staged shard with another number of rows than were written is tried again, not published."""
    services = _services(platform_db, warehouse_db, tmp_path, chargers=1)
    run_id, _, _ = stage(services)
    with services.warehouse() as connection:
        _, epoch = _opened(connection, run_id, 0)
    close = "select billing.close_shard(%s, 0, %s, 7, 'uri', 'sha', '{}')"
    with pytest.raises(TransientError, match="holds 0 rows, 7 were written"), services.warehouse() as connection:
        connection.execute(close, (run_id, epoch))


def test_a_connector_in_the_wrong_shard_is_refused(platform_db: str, warehouse_db: Any, tmp_path: Path) -> None:
    """A staged shard with a charger of another can't be attached."""
    services = _services(platform_db, warehouse_db, tmp_path, chargers=8)
    run_id, shards, _ = stage(services, shard_rows=10)
    assert len(shards) > 1
    with services.warehouse() as connection:
        table, epoch = _opened(connection, run_id, 1)
        count = connection.execute(
            f"""insert into staging.{table} (account_id, charger_id, connector_id, power_type, unit_price_minor)
                select account_id, charger_id, connector_id, power_type, unit_price_minor
                from staging.run_{run_id} where tableoid::regclass::text like '%%shard_0_%%'"""
        ).rowcount
    close = "select billing.close_shard(%s, 1, %s, %s, 'uri', 'sha', '{}')"
    with pytest.raises(psycopg.errors.CheckViolation), services.warehouse() as connection:
        connection.execute(close, (run_id, epoch, count))


def test_a_part_has_each_connector_in_one_of_its_shards(platform_db: str) -> None:
    """Whatever part reads it, a charger is in the shard that Postgres' own hash partitions give it, and in no other."""
    platform = Platform(platform_db)
    platform.plain_account("a", connectors=0)
    for number in range(60):
        platform.station(f"c{number}", "a", connectors=2)
    platform.save()
    source, at = PostgresSource(platform_db), PERIOD.count_instant("Europe/Berlin")
    found: dict[str, set[int]] = {}
    for number in range(2):
        read = source.read_part(Part(number, 2, 8), ["a"], [at], CountWindow(at, at))
        for shard, table, _ in read.shards:
            chargers = table.column("charger_id").to_pylist()
            assert all(count == 2 for count in Counter(chargers).values())
            for charger in chargers:
                found.setdefault(charger, set()).add(shard)
    partition = "satisfies_hash_partition('platform.partitioned'::regclass, 8, n, charger_id)"
    platform.execute("create table platform.partitioned (charger_id text) partition by hash (charger_id)")
    expected = rows(
        platform_db, f"select charger_id, n from platform.charger, generate_series(0, 7) n where {partition}"
    )
    assert found == {charger: {shard} for charger, shard in expected}
    assert len(found) == 60


def test_two_runs_that_issue_at_once_publish_one_month(
    platform_db: str, warehouse_db: Any, tmp_path: Path, full: bool
) -> None:
    """Of two runs of a period that issue at one moment one publishes, the other writes nothing, and neither fails."""
    services = _services(platform_db, warehouse_db, tmp_path, accounts=2, chargers=1)
    seen, races = set(), 20 if full else 4
    for number in range(races):
        period = Period(2022, 1).shifted(number)
        runs = [stage(services, period)[0] for _ in "12"]
        results = _together(*[partial(plan_and_issue, services, run) for run in runs])
        outcomes = sorted(result["outcome"] for result in results)
        seen.add(tuple(outcomes))
        assert outcomes in (["issued", "superseded"], ["issued", "unchanged"]), period
        assert sum(result["statements"] for result in results) == 2
        again = [plan_and_issue(services, run)["outcome"] for run in runs]
        assert again.count("issued") == 1, again
        query = "select number from billing.statement where period = %s order by 1"
        assert rows(warehouse_db.admin_url, query, str(period)) == [(1,), (2,)]
    assert seen
    assert one(warehouse_db.admin_url, "select count(*) from billing.audit_event where action like 'issue%%'") == races


def test_runs_that_close_and_open_at_once_do_not_trip_over_each_other(
    platform_db: str, warehouse_db: Any, tmp_path: Path, full: bool
) -> None:
    """A run that drops its stage while the next ones, which clear away what has ended, begin: nothing fails."""
    services = _services(platform_db, warehouse_db, tmp_path, accounts=1, chargers=1)
    for number in range(10 if full else 3):
        period = Period(2022, 1).shifted(number)
        first = stage(services, period)[0]
        validate(services, first)
        plan_and_issue(services, first)
        _together(
            partial(close_run, services, first),
            partial(stage, services, period),
            partial(stage, services, period),
        )
    assert [name for name in staging_tables(warehouse_db.admin_url) if name == f"run_{first}"] == []


def test_what_a_killed_run_has_staged_goes_once_another_has_published(
    platform_db: str, warehouse_db: Any, tmp_path: Path
) -> None:
    """It is swept by the next run of any month, but for tables that a paused worker has locked: nobody waits for it."""
    services = _services(platform_db, warehouse_db, tmp_path, accounts=2, chargers=1)
    killed = open_run(services, replace(request(), airflow_run_id="killed"), now=NOW, shard_rows=1_000)["run_id"]
    extract_inventory(services, killed, 0)
    apply_scope_rules(services, killed, 0)
    with psycopg.connect(warehouse_db.writer_url) as paused:
        paused.execute("select billing.open_account_stage(%s)", (killed,))
        paused.commit()
        paused.execute(f"select from staging.run_{killed}".encode())
        bill(services)
        assert f"run_{killed}" in staging_tables(warehouse_db.admin_url)
    bill(services, "2022-01")
    assert staging_tables(warehouse_db.admin_url) == []
    with pytest.raises(StaleTry):
        validate(services, killed)
    assert plan_and_issue(services, killed)["outcome"] == "superseded"
