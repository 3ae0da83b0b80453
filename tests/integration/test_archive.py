"""Old periods: their decisions go to files that hold the very same, and only then out of the warehouse."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from operator import itemgetter
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evbilling.archive import Archived, archive_period, check_files, drop_period, is_dropped
from evbilling.archive import copy as archive_copy
from evbilling.cli.main import main
from evbilling.connector_statements import close_run, open_run, validate
from evbilling.errors import BadInput, EvbillingError, Mismatch, TransientError
from evbilling.evidence import EvidenceStore
from evbilling.period import Period
from evbilling.run_steps import RunRequest
from evbilling.services import Services
from tests.support.month import NOW, Platform, bill, one, plan_and_issue, rows, settle_terms, stage, terms
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.postgres

PERIOD = Period(2025, 9)
NAME = str(PERIOD)
PASSWORD = "test"
LATER = date(2026, 10, 1)  # 13 months after the period
NEXT = Period(2025, 10)
DECISIONS = """select period, account_id, charger_id, connector_id, power_type, rule_id, unit_price_minor
               from billing.connector_decision where period = %s order by 2, 3, 4"""
STAYS = ("statements", "ledger", "tie_out", "unbilled_accounts")
EVENTS = "select actor, action, subject_id from finance.audit_events where action like '%archive%' order by event_id"


_numbers = itertools.count(1)


@dataclass(frozen=True)
class Billed:
    """Two months of two accounts, issued in four shards; of `a` a connector is excluded. Each test has a copy."""

    server: PostgresServer
    database: str
    platform_url: str
    evidence: Path


@pytest.fixture(scope="module")
def billed(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Billed:
    postgres.create_database("archive_platform", template="platform_template")
    postgres.create_database("archive_warehouse", template="warehouse_template")
    made = Billed(
        postgres, "archive_warehouse", postgres.url(database="archive_platform"), tmp_path_factory.mktemp("evidence")
    )
    platform = Platform(made.platform_url)
    for account in ("a", "b"):
        platform.plain_account(account, connectors=0)
        for number in range(6):
            platform.station(f"{account}-{number}", account, connectors=2, power="DC" if number else "AC")
    platform.station("a-out", "a", connectors=1, status="removed")
    platform.account("faulty")
    platform.save()
    writer_url = postgres.url("evbilling_writer", made.database, password=PASSWORD)
    settle_terms(writer_url, terms("a"), terms("b", "7.25"), terms("faulty"))
    for period in (PERIOD, NEXT):
        bill(Services(made.platform_url, writer_url, str(made.evidence)), period, shard_rows=7)
    return made


class World:
    """A warehouse with two issued months, of which the first is to be archived."""

    def __init__(self, billed: Billed, folder: Path) -> None:
        name = f"archive_{next(_numbers)}"
        self.owner_url = billed.server.create_database(name, template=billed.database)
        self.url = billed.server.url("evbilling_writer", name, password=PASSWORD)
        self.finance_url = billed.server.url("finance_reader", name, password=PASSWORD)
        self.services = Services(billed.platform_url, self.url, str(billed.evidence))
        self.folder = folder / "archive"
        self.store = EvidenceStore(str(self.folder))

    def archive(self) -> Archived:
        return archive_period(self.owner_url, PERIOD, self.store, actor="ann")

    def drop(self, today: date = LATER, **options: Any) -> Archived:
        return drop_period(self.owner_url, PERIOD, self.store, actor="ann", today=today, **options)

    def refusal(self, error: type[EvbillingError] = BadInput, **options: Any) -> str:
        """Why dropping is refused; the decisions are all still there then."""
        before = self.decisions()
        with pytest.raises(error) as refused:
            self.drop(**options)
        assert self.decisions() == before
        assert not self.dropped()
        return str(refused.value)

    def decisions(self, period: Period = PERIOD) -> list[tuple[Any, ...]]:
        return rows(self.owner_url, DECISIONS, str(period))

    def dropped(self) -> bool:
        with psycopg.connect(self.url) as connection:
            return is_dropped(connection, NAME)

    def finance(self, view: str) -> list[tuple[Any, ...]]:
        of_period = "statement_id like 'A-202509-%'" if view == "ledger" else "period = '2025-09'"
        return rows(self.finance_url, f"select * from finance.{view} where {of_period} order by 1, 2, 3, 4")

    def do(self, statement: str) -> None:
        """A statement that triggers would refuse."""
        with psycopg.connect(self.owner_url) as connection:
            connection.execute("set session_replication_role = replica")
            connection.execute(statement)


@pytest.fixture
def world(billed: Billed, tmp_path: Path) -> World:
    return World(billed, tmp_path)


def read(world: World, archived: Archived) -> list[tuple[Any, ...]]:
    """All rows of an archive's files, in the order of the decisions."""
    table = pa.concat_tables([pq.read_table(world.folder / file.key) for file in archived.files])
    return sorted(zip(*table.to_pydict().values(), strict=True), key=itemgetter(1, 2, 3))


def test_the_files_hold_what_the_table_holds(world: World) -> None:
    """A file a shard, together the very rows of the period and no others; nothing leaves the warehouse."""
    before = world.decisions()
    archived = world.archive()
    assert len(before) == 25
    assert read(world, archived) == before
    assert len(archived.files) == 4
    assert archived.sums.decisions == 25
    assert archived.sums.billed == 24
    assert archived.sums.unit_price_minor == 12 * 500 + 12 * 725
    assert world.decisions() == before
    record = "select store, decisions, jsonb_array_length(files), actor, dropped_at from billing.archived_period"
    assert rows(world.url, record) == [(str(world.folder), 25, 4, "ann", None)]
    assert rows(world.finance_url, EVENTS) == [("ann", "archive_decisions", NAME)]


def test_the_same_again_records_nothing(world: World) -> None:
    """The same decisions are the same files, and the record stays as it is, its instant and the audit too."""
    record = "select t::text from billing.archived_period t"
    first, before = world.archive(), rows(world.url, record)
    again = world.archive()
    assert (again.files, first.is_new, again.is_new) == (first.files, True, False)
    assert rows(world.url, record) == before
    assert len(rows(world.finance_url, EVENTS)) == 1


def test_a_large_shard_becomes_several_files(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However large a shard is, so many rows are in memory at most."""
    monkeypatch.setattr(archive_copy, "_FILE_ROWS", 2)
    archived = world.archive()
    assert max(file.rows for file in archived.files) == 2
    assert sum(file.rows for file in archived.files) == 25
    assert read(world, archived) == world.decisions()


def test_dropping_leaves_all_but_the_decisions(world: World) -> None:
    """Finance no longer sees the period's connectors, but all else as before; other months are untouched."""
    before, other, stays = world.decisions(), world.decisions(NEXT), {view: world.finance(view) for view in STAYS}
    assert len(stays["statements"]) == 2
    dropped = world.drop()
    assert dropped.dropped == 25
    assert read(world, dropped) == before
    assert world.decisions() == world.finance("statement_lines") == world.finance("connector_decisions") == []
    assert {view: world.finance(view) for view in STAYS} == stays
    assert world.decisions(NEXT) == other
    assert world.dropped()
    left = "select count(*) from pg_class where relname like 'connector_decision_2025_09%'"
    assert one(world.owner_url, left) == 0
    assert [row[1] for row in rows(world.finance_url, EVENTS)] == ["archive_decisions", "drop_archived_decisions"]


def test_a_dropped_period_is_neither_archived_nor_billed_nor_closed_again(world: World) -> None:
    """Each says why, in one message; nothing that was published or tied out changes. The next month goes on."""
    run_id = one(world.url, "select max(run_id) from billing.run where period = %s", NAME)
    world.drop()
    before = {view: world.finance(view) for view in STAYS}
    for again in (world.archive, world.drop):
        with pytest.raises(BadInput, match="2025-09 were archived and dropped before"):
            again()
    for dag_id in ("connector_statements", "correct_statements"):
        with pytest.raises(BadInput, match="2025-09 is archived: its decisions have left the warehouse"):
            open_run(world.services, RunRequest(PERIOD, dag_id, "r", "ann"), now=NOW)
    assert close_run(world.services, run_id)["checks"] == 0
    assert {view: world.finance(view) for view in STAYS} == before
    assert bill(world.services, NEXT, shard_rows=7).issued["outcome"] == "unchanged"


def test_a_run_that_had_begun_before_publishes_nothing(world: World) -> None:
    """A run under way keeps the period; one that the check missed is stopped by the database where it would publish."""
    run_id, _, _ = stage(world.services, PERIOD, shard_rows=7)
    validate(world.services, run_id)
    assert f"run {run_id} of 2025-09 (connector_statements) hasn't ended" in world.refusal()
    world.do(f"update billing.run set state = 'failed' where run_id = {run_id}")
    world.drop()
    world.do(f"update billing.run set state = 'open' where run_id = {run_id}")
    before = {view: world.finance(view) for view in STAYS}
    with pytest.raises(BadInput, match="2025-09 is archived"):
        plan_and_issue(world.services, run_id)
    assert world.decisions() == []
    assert {view: world.finance(view) for view in STAYS} == before


def test_a_run_that_was_not_closed_keeps_the_period(world: World) -> None:
    """What is issued but not tied out isn't settled."""
    world.do("update billing.run set closed_at = null where period = '2025-09'")
    assert "hasn't ended" in world.refusal()


def test_a_period_that_no_run_has_settled_stays(world: World) -> None:
    """Differences that nobody has looked at are no end."""
    world.do("update billing.run set state = 'differs' where period = '2025-09'")
    assert "no run of 2025-09 has issued its statements" in world.refusal()


@pytest.mark.parametrize(("today", "keep"), [(date(2026, 9, 30), 13), (date(2025, 10, 31), 2), (LATER, 14)])
def test_a_young_period_stays(world: World, today: date, keep: int) -> None:
    """The last months are never dropped, and nothing is copied for it; the first day after them is soon enough."""
    assert f"2025-09 is among the {keep} months that stay" in world.refusal(today=today, keep_months=keep)
    assert not world.folder.exists()
    assert world.drop(date(2025, 11, 1), keep_months=2).dropped == 25


@pytest.mark.parametrize(
    "damage", [lambda file, data: file.write_bytes(data[:-20] + bytes(20)), lambda file, _: file.unlink()]
)
def test_a_changed_or_lost_file_is_written_again_before_the_decisions_are_dropped(
    world: World, damage: Callable[[Path, bytes], object]
) -> None:
    """The warehouse still has them; a file of the right length with other bytes doesn't count as their copy."""
    file = world.folder / world.archive().files[0].key
    data = file.read_bytes()
    damage(file, data)
    assert world.drop().dropped == 25
    assert file.read_bytes() == data


def test_files_that_hold_something_else_are_refused(world: World) -> None:
    """Whole files that don't add up to the table, as if the copy itself had been wrong."""
    archived = world.archive()
    with pytest.raises(Mismatch, match="the table holds 25, 24 and 14,700"):
        check_files(world.store, archived.files[1:], archived.sums)
    check_files(world.store, archived.files, archived.sums)


def test_decisions_that_changed_after_the_copy_stay(world: World) -> None:
    """Even if count and sums are the same: the digest is of whole rows. Other files than those on record don't do."""
    archived = world.archive()
    world.do("update billing.connector_decision set power_type = 'DC' where charger_id = 'a-0' and period = '2025-09'")
    before = world.decisions()
    drop = "select billing.drop_archived(%s, (select files {} from billing.archived_period), 'ann', 'r')"
    for files, said in (("", "have changed since they were copied"), ("- 0", "aren't those on record")):
        with pytest.raises(psycopg.Error, match=said), psycopg.connect(world.owner_url) as connection:
            connection.execute(drop.format(files), (NAME,))
    assert world.decisions() == before
    assert world.drop().files != archived.files


def test_dropping_is_one_transaction(world: World) -> None:
    """Broken off at its very end, it leaves table, record and audit as they were."""
    world.do("""create function billing.break_off() returns trigger language plpgsql as
                $$ begin raise exception 'pulled the plug'; end $$;
                create trigger break_off before insert on billing.audit_event for each row
                when (new.action = 'drop_archived_decisions') execute function billing.break_off()""")
    before = world.decisions()
    with pytest.raises(psycopg.Error, match="pulled the plug"):
        world.drop()
    assert world.decisions() == before
    assert not world.dropped()
    assert [row[1] for row in rows(world.finance_url, EVENTS)] == ["archive_decisions"]
    world.do("drop trigger break_off on billing.audit_event")
    assert world.drop().dropped == 25


def test_a_long_read_is_not_cut_off(world: World) -> None:
    """Who reads the period keeps it: dropping gives up after a while and can be tried again."""
    world.do("alter function billing.drop_archived(text, jsonb, text, text) set lock_timeout = '200ms'")
    with psycopg.connect(world.finance_url) as reader:
        lines = reader.execute("select count(*) from finance.statement_lines where period = %s", (NAME,)).fetchone()
        assert "has kept a lock" in world.refusal(TransientError)
        assert reader.execute("select count(*) from finance.statement_lines").fetchone() > lines
    assert world.drop().dropped == 25


def test_only_the_owner_archives(world: World) -> None:
    """The DAGs' login is refused by a message before anything is copied, and by the database itself."""
    with pytest.raises(BadInput, match="evbilling_writer may not archive"):
        archive_period(world.url, PERIOD, world.store, actor="ann")
    assert not world.folder.exists()
    calls = (
        "select billing.drop_archived('2025-09', '[]', 'ann', 'r')",
        "select billing.record_archive('2025-09', 's', '[]', 0, 0, 0, 0, 'ann')",
        "select billing.decision_sums('2025-09')",
        "insert into billing.archived_period (period) values ('2025-09')",
    )
    for call in calls:
        with pytest.raises(psycopg.errors.InsufficientPrivilege), psycopg.connect(world.url) as connection:
            connection.execute(call)


@pytest.mark.parametrize("change", ["update {} set dropped_at = null", "delete from {}", "truncate {}"])
def test_what_was_dropped_stays_on_record(world: World, change: str) -> None:
    """Nobody can lose sight of the only copy."""
    world.drop()
    with (
        pytest.raises(psycopg.Error, match="the files are all that is left"),
        psycopg.connect(world.owner_url) as connection,
    ):
        connection.execute(change.format("billing.archived_period"))


def test_the_command_archives_drops_and_refuses(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """`evbilling archive` says what lies where; a month that it may not drop, or that there isn't, is exit code 2."""
    told = ["--url", world.owner_url, "--to", str(world.folder)]
    assert main(["archive", NAME, *told]) == 0
    assert "25 decisions of 2025-09 in 4 file(s)" in capsys.readouterr().out
    assert main(["archive", "2020-01", *told]) == 2
    assert "there are no decisions of 2020-01" in capsys.readouterr().err
    assert main(["archive", NAME, *told, "--drop", "--keep-months", "1200"]) == 2
    assert "stay in the warehouse" in capsys.readouterr().err
    assert len(world.decisions()) == 25
    assert main(["archive", NAME, *told, "--drop"]) == 0
    said = capsys.readouterr().out
    assert "recorded before" in said
    assert "25 decisions dropped from the warehouse" in said
    assert world.decisions() == []


def test_an_archive_in_another_place_is_recorded_anew(world: World, tmp_path: Path) -> None:
    """Until the decisions are dropped the last place counts; dropping checks the files of that place."""
    world.archive()
    elsewhere = EvidenceStore(str(tmp_path / "elsewhere"))
    assert archive_period(world.owner_url, PERIOD, elsewhere, actor="bob").is_new
    assert one(world.url, "select store from billing.archived_period") == str(tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "elsewhere")
    assert world.drop().dropped == 25
    assert one(world.url, "select store from billing.archived_period") == str(world.folder)
