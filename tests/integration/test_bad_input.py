"""What is wrong with the set, the request or the evidence stops the month with a message that says what to do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evbilling.connector_statements import (
    apply_scope_rules,
    close_run,
    issue_statements,
    open_run,
    plan_statements,
    validate,
)
from evbilling.errors import BadInput, EvbillingError, NotReady, SetFault, TransientError
from evbilling.period import Period
from evbilling.services import Services
from evbilling.warehouse.schema import newest_revision
from tests.support.month import (
    NOW,
    Platform,
    bill,
    one,
    published,
    request,
    rows,
    settle_terms,
    stage,
    staging_tables,
    terms,
)

pytestmark = pytest.mark.postgres


class World:
    """A platform of two accounts with 20 connectors each, in good order, and a warehouse."""

    def __init__(self, platform_url: str, warehouse: Any, evidence: Path) -> None:
        self.platform = Platform(platform_url)
        self.admin_url = warehouse.admin_url
        self.evidence = evidence
        self.services = Services(platform_url, warehouse.writer_url, str(evidence))
        for name in ("a", "b"):
            self.platform.plain_account(name, connectors=20)
        self.platform.save()
        settle_terms(warehouse.writer_url, terms("a"), terms("b"))

    def refusal(self, kind: type[EvbillingError], services: Services | None = None, **options: Any) -> str:
        """The message with which a month is refused, after a look that nothing was published."""
        before = published(self.admin_url)
        with pytest.raises(kind) as refused:
            bill(services or self.services, **options)
        assert published(self.admin_url) == before
        return str(refused.value)

    def last_failure(self) -> str:
        return str(one(self.admin_url, "select failure from billing.run order by run_id desc limit 1"))


@pytest.fixture
def world(platform_db: str, warehouse_db: Any, tmp_path: Path) -> World:
    return World(platform_db, warehouse_db, tmp_path / "evidence")


def test_a_source_that_does_not_answer_is_transient_and_recorded(world: World) -> None:
    """Airflow may try again; the run's record says why it stopped, and no password is in it."""
    nowhere = Services(
        "postgresql://reader:secret@127.0.0.1:9/nowhere", world.services.warehouse_url, str(world.evidence)
    )
    said = world.refusal(TransientError, nowhere)
    assert "charging platform (postgresql://127.0.0.1:9/nowhere): can't connect" in said
    assert "secret" not in said
    assert world.last_failure() == said


def test_a_warehouse_that_does_not_answer_is_transient(world: World) -> None:
    """The message names the warehouse."""
    nowhere = Services(world.services.platform_url, "postgresql://127.0.0.1:9/nowhere", str(world.evidence))
    assert "warehouse (postgresql://127.0.0.1:9/nowhere): can't connect" in world.refusal(TransientError, nowhere)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("drop table platform.charger", "there is no table platform.charger that this user may see"),
        (
            "alter table platform.connector drop column power_type",
            "platform.connector.power_type is missing (text: text, character varying, ",
        ),
        ("alter table platform.account rename time_zone to zone", "platform.account.time_zone is missing"),
        ("drop schema platform cascade", "there is no table platform.app_user"),
    ],
)
def test_a_source_that_breaks_the_contract_is_refused_by_table_and_column(world: World, change: str, said: str) -> None:
    """Every missing table and column is named before anything is read."""
    world.platform.execute(change)
    assert said in world.refusal(BadInput)
    assert said in world.last_failure()


def test_an_empty_inventory_is_refused(world: World) -> None:
    """No connectors at all can't be right."""
    world.platform.execute("truncate platform.connector")
    assert "the inventory is empty" in world.refusal(SetFault)


def test_an_inventory_without_a_connector_to_count_is_refused(world: World) -> None:
    """Connectors that are there, but none at the count, are as wrong as none."""
    world.platform.execute("update platform.connector set valid_to = '2026-05-01'")
    assert "The inventory isn't empty" in world.refusal(SetFault)


@pytest.mark.parametrize("period", ["2026-13", "2026-1", "2026-11-01"])
def test_a_period_that_is_none_is_refused(world: World, period: str) -> None:
    """No run is even opened."""
    assert "is not a billing period" in world.refusal(BadInput, period=period)
    assert one(world.admin_url, "select count(*) from billing.run") == 0


@pytest.mark.parametrize("period", ["2027-01", "2199-12"])
def test_a_month_that_has_not_begun_is_refused(world: World, period: str) -> None:
    """Nobody can count what isn't there yet."""
    assert f"{period} has not begun anywhere yet" in world.refusal(BadInput, period=period)


def test_a_month_that_has_not_begun_for_every_account_is_refused(world: World) -> None:
    """While it is the 1st in Berlin but not in Honolulu, the month waits, and says for how many accounts."""
    world.platform.execute("update platform.account set time_zone = 'Pacific/Honolulu' where account_id = 'b'")
    said = world.refusal(BadInput, now=datetime(2026, 11, 1, 9, 59, tzinfo=UTC))
    assert "has not begun yet for 1 of 2 accounts" in said
    assert bill(world.services, now=datetime(2026, 11, 1, 10, tzinfo=UTC)).issued["statements"] == 2


def test_a_month_before_the_source_s_history_is_refused(world: World) -> None:
    """There is no inventory of that month, and no snapshot."""
    settle_terms(world.services.warehouse_url, terms("a", effective_from=Period(2019, 1)))
    said = world.refusal(SetFault, period="2019-06")
    assert "begins 2020-01-01, after the count of 2019-06, and no snapshot" in said


def test_connectors_under_no_charger_are_refused_and_can_be_allowed(world: World) -> None:
    """Nobody could be billed for them: they are named, and so is the Param that allows them."""
    world.platform.connector(None, 1)
    world.platform.connector("nowhere", 2)
    world.platform.save()
    said = world.refusal(SetFault)
    assert "2 connectors belong to no charger" in said
    assert "(no charger_id)/1" in said
    assert "'nowhere'/2" in said
    assert "max_orphan_connectors" in said
    world.refusal(SetFault, max_orphan_connectors=1)
    assert bill(world.services, max_orphan_connectors=2).issued["statements"] == 2


def test_a_month_that_never_ran_is_announced_and_the_guard_compares_with_the_last_one_billed(world: World) -> None:
    """September was billed, October never ran: November is compared with September, and names October."""
    bill(world.services, period="2026-09")
    world.platform.execute("delete from platform.connector where connector_id <= 8")
    said = world.refusal(SetFault)
    assert "within the limit of the last month billed, 2026-09" in said
    assert "-40.0" in said
    billed = bill(world.services, max_count_change_percent=40)
    warned = "select warnings::text from billing.run where run_id = %s"
    assert "2026-10 was never billed" in one(world.admin_url, warned, billed.run_id)
    bill(world.services, period="2026-12", max_count_change_percent=0)
    assert "never billed" not in one(world.admin_url, warned, billed.run_id + 1)


@pytest.mark.parametrize(("kept", "is_refused"), [(30, False), (29, True)])
def test_a_count_that_moved_too_far_stops_and_can_be_allowed(world: World, kept: int, is_refused: bool) -> None:
    """From 40 connectors in October, 30 are within 25 %, 29 aren't, unless the limit is set for the run."""
    bill(world.services, period="2026-10")
    world.platform.execute(
        """update platform.connector set valid_to = '2026-10-15' where (charger_id, connector_id) in
           (select charger_id, connector_id from platform.connector order by 1, 2 limit %s)""",
        40 - kept,
    )
    if is_refused:
        assert "within the limit of the last month billed, 2026-10" in world.refusal(SetFault)
        assert bill(world.services, max_count_change_percent=28).issued["outcome"] == "issued"
    else:
        assert bill(world.services).issued["outcome"] == "issued"


def test_growth_beyond_the_limit_stops_too(world: World) -> None:
    """More connectors than the limit allows are as suspicious as fewer."""
    bill(world.services, period="2026-10")
    world.platform.station("new", "a", connectors=11, begins="2026-10-15T00:00:00Z")
    world.platform.save()
    assert "for example 27.5" in world.refusal(SetFault)


def test_a_warehouse_behind_its_migrations_is_said_at_once(world: World) -> None:
    """The first step looks at the schema's revision, so nobody meets a missing column at three in the night."""
    with psycopg.connect(world.admin_url) as connection:
        connection.execute("update public.schema_version set version_num = '0001'")
    said = world.refusal(NotReady)
    assert f"its schema is at 0001, this code needs {newest_revision()}" in said
    assert "evbilling migrate" in said


def test_no_settings_is_said_with_the_command_that_loads_them(world: World) -> None:
    """Without an account that is billed there is nothing to run."""
    off = [terms(name, charge_connectors=False) for name in ("a", "b")]
    settle_terms(world.services.warehouse_url, *off)
    said = world.refusal(NotReady)
    assert "no account is billed per connector in 2026-11" in said
    assert "evbilling settings load" in said


@pytest.mark.parametrize("value", ["Somewhere", None])
def test_too_many_unknown_scope_statuses_stop_before_publishing(world: World, value: str | None) -> None:
    """Hardly any known scope status is a fault of the set: the results are recorded, and nothing can be issued."""
    world.platform.station("odd", "a", value, connectors=1_000)
    world.platform.save()
    said = world.refusal(SetFault)
    assert "validation failed; nothing is published" in said
    assert "scope_status" in said
    assert rows(
        world.admin_url,
        "select distinct suite, severity from billing.validation_result where not success and severity = 'critical'",
    ) == [("inventory", "critical")]
    assert one(world.admin_url, "select count(*) from billing.validation_result where success") > 10
    assert one(world.admin_url, "select state from billing.run") == "failed"
    page = one(world.admin_url, "select facts->>'validation_page' from billing.run")
    assert "scope_status" in (world.evidence / page).read_text(encoding="utf-8")


def test_a_single_unknown_scope_status_is_the_account_s_fault_only(world: World) -> None:
    """Odd rows quarantine their account, with a warning in the run's record, and the month goes on."""
    world.platform.station("odd", "a", "Somewhere", connectors=100)
    world.platform.save()
    assert bill(world.services).issued["statements"] == 1
    (warnings,) = rows(world.admin_url, "select warnings from billing.run")[0]
    assert any("known scope_status" in warning for warning in warnings)


@pytest.mark.parametrize(
    ("spoil", "kind", "said"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"!"), BadInput, "has changed since it was stored"),
        (Path.unlink, NotReady, "is not there"),
    ],
)
@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("inventory-", lambda services, run_id: apply_scope_rules(services, run_id, 0)),
        ("accounts-", lambda services, run_id: apply_scope_rules(services, run_id, 0)),
        ("decisions-", validate),
        ("decisions-", plan_statements),
    ],
)
def test_evidence_that_is_changed_or_gone_is_refused(
    world: World,
    name: str,
    step: Callable[..., Any],
    spoil: Callable[[Path], Any],
    kind: type[EvbillingError],
    said: str,
) -> None:
    """A step that finds other evidence than was registered names the file and writes nothing."""
    run_id, _, _ = stage(world.services)
    (path,) = world.evidence.glob(f"2026-11/run-{run_id}/{name}*")
    spoil(path)
    with pytest.raises(kind, match=said) as refused:
        step(world.services, run_id)
    assert path.name in str(refused.value)
    assert path.name in world.last_failure()
    assert not any(published(world.admin_url).values())


def test_a_snapshot_that_was_tampered_with_bills_nothing(world: World) -> None:
    """The snapshot of a past month is looked at before it is taken over."""
    first = bill(world.services)
    (path,) = world.evidence.glob(f"2026-11/run-{first.run_id}/inventory-*")
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    world.platform.execute("update platform.charger set valid_from = '2026-12-01'")
    assert "has changed since it was stored" in world.refusal(BadInput)


def test_steps_out_of_order_say_which_to_clear(world: World) -> None:
    """A step whose predecessor didn't run names the task to clear."""
    run_id = open_run(world.services, request(), now=NOW)["run_id"]
    for step, said in (
        (lambda s, r: apply_scope_rules(s, r, 0), "clear the task extract_inventory too"),
        (validate, "clear the task apply_scope_rules too"),
        (plan_statements, "clear the task apply_scope_rules too"),
        (issue_statements, "clear the task apply_scope_rules too"),
    ):
        with pytest.raises(NotReady, match=said):
            step(world.services, run_id)
    with pytest.raises(NotReady, match="there is no run 999"):
        close_run(world.services, 999)


FILES = {
    "account": "account_id,name,country,time_zone,currency\na,A,DE,Europe/Berlin,EUR\n",
    "app_user": "user_id,account_id,full_name,email,active,payment_customer,payment_method\nfa-a,a,F,f@x.org,true,,\n",
    "charger": "charger_id,account_id,name,site,scope_status,valid_from,valid_to\n"
    "x,a,X,S,Public,2020-01-01T00:00:00Z,\n",
    "connector": "charger_id,connector_id,standard,power_type,status,valid_from,valid_to\n"
    "x,1,T2,AC,in_service,2020-01-01T00:00:00Z,\n",
    "account_charge": "charge_id,account_id,user_id,kind,description,occurred_at,net_amount,tax_amount,currency,"
    "settled_amount\n",
}


def _folder(path: Path, **changes: str) -> Path:
    path.mkdir()
    for name, text in (FILES | changes).items():
        (path / f"{name}.csv").write_text(text, encoding="utf-8")
    return path


def test_a_folder_in_good_order_is_billed(world: World, tmp_path: Path) -> None:
    """The folder's own path is the source, in as many shards as its rows need."""
    folder = _folder(tmp_path / "files")
    settle_terms(world.services.warehouse_url, terms("b", charge_connectors=False))
    issued = bill(Services(str(folder), world.services.warehouse_url, str(world.evidence))).issued
    assert issued["statements"] == 1
    assert staging_tables(world.admin_url) == []


@pytest.mark.parametrize(
    ("table", "text", "said"),
    [
        (
            "connector",
            FILES["connector"].replace("power_type,", "").replace("AC,", ""),
            "connector.csv, line 1, column power_type: is missing",
        ),
        ("charger", FILES["charger"].replace("2020-01-01T", "2020-13-01T"), "charger.csv, line 2, column valid_from:"),
        ("connector", FILES["connector"].replace("x,1,", "x,one,"), "connector.csv, line 2, column connector_id:"),
        ("app_user", FILES["app_user"].replace("true", "maybe"), "app_user.csv, line 2, column active:"),
    ],
)
def test_a_bad_file_is_refused_by_file_line_and_column(
    world: World, tmp_path: Path, table: str, text: str, said: str
) -> None:
    """Who gave the files sees where to look, and nothing of them stays."""
    folder = _folder(tmp_path / "files", **{table: text})
    services = Services(str(folder), world.services.warehouse_url, str(world.evidence))
    assert said in world.refusal(BadInput, services)
    assert staging_tables(world.admin_url) == []


def test_a_missing_file_is_refused_by_name(world: World, tmp_path: Path) -> None:
    """A folder without one of the five tables is no source."""
    folder = _folder(tmp_path / "files")
    (folder / "charger.csv").unlink()
    services = Services(str(folder), world.services.warehouse_url, str(world.evidence))
    assert "charger.csv: is missing" in world.refusal(BadInput, services)
