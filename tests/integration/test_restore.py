"""A warehouse restored from a backup is younger than its gateway: nothing is charged before a full comparison.

In each case the gateway has forgotten its idempotency keys, as it does after a day: they protect nobody here.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evbilling.errors import NotReady
from evbilling.payments import compare, settle_unknown
from evbilling.payments.actions import Code, MarkRequest, RebillRequest, charge_again, mark_statements, preview_rebill
from evbilling.payments.reconciliation import Break
from evbilling.payments.retries.runs import due_retries, month_end_retries, open_retries
from evbilling.read_models.month import month_overview, month_state
from evbilling_local.stack import EmbeddedPostgres, bin_directory
from tests.support.month import NOW, PAID_ON, PERIOD
from tests.support.payments import SOFT, VISA, PaymentWorld, check_books, check_collected_once, payment_world

pytestmark = pytest.mark.postgres

LATER = NOW + timedelta(days=3)
LISTING = "GET /v1/payment_intents"


def _name(world: PaymentWorld) -> str:
    return world.admin_url.rpartition("/")[2]


def forget_keys(world: PaymentWorld) -> None:
    """The gateway answers a key that it had before as if it were new."""
    world.sandbox.call(lambda api: api.store.forget_answers(datetime.now(UTC).timestamp() + 3600))


# ---- Two ways to back up and restore; each replaces the warehouse under its own name.

Backup = Callable[[EmbeddedPostgres, PaymentWorld, Path], Callable[[], None]]


def as_dump(server: EmbeddedPostgres, world: PaymentWorld, folder: Path) -> Callable[[], None]:
    """pg_dump, and pg_restore into a new database."""
    file = folder / "warehouse.dump"

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [bin_directory() / program, *arguments], check=True, capture_output=True, timeout=120, env=dict(os.environ)
        )

    run("pg_dump", "--dbname", world.admin_url, "--format", "custom", "--file", str(file))

    def restore() -> None:
        server.drop_database(_name(world))
        server.create_database(_name(world))
        run("pg_restore", "--dbname", world.admin_url, "--exit-on-error", str(file))

    return restore


def as_snapshot(server: EmbeddedPostgres, world: PaymentWorld, _: Path) -> Callable[[], None]:
    """A copy of the database that says it is the same server and database, as a snapshot of a disk does."""
    copy = f"{_name(world)}_snapshot"
    server.create_database(copy, template=_name(world))

    def restore() -> None:
        server.drop_database(_name(world))
        server.create_database(_name(world), template=copy)
        with psycopg.connect(world.admin_url) as connection:
            connection.execute(
                "update billing.charging_server set identity = billing.server_identity() where identity is not null"
            )

    return restore


BACKUPS: dict[str, Backup] = {"dump": as_dump, "snapshot": as_snapshot}


# ---- Every path that charges, each as its task or page calls it


def _rebill(world: PaymentWorld, request_id: str, *ids: str) -> Any:
    with world.payment_services() as payments:
        return charge_again(payments, RebillRequest(request_id, "ann", "the customer called", ids), NOW)


def _month_end(world: PaymentWorld, name: str = "month_end again") -> None:
    with world.payment_services() as payments:
        for batch in open_retries(payments, month_end_retries(payments, PERIOD, LATER), "month_end", name, "ann"):
            payments.collect(batch)


def _daily(world: PaymentWorld) -> None:
    with world.payment_services() as payments:
        for batch in open_retries(payments, due_retries(payments, LATER), "planned", "planned again", "ann"):
            payments.collect(batch)


PATHS: dict[str, Callable[[PaymentWorld], Any]] = {
    "the charge on the 1st": lambda world: world.charge(),
    "the month's end": _month_end,
    "the daily retries": _daily,
    "Re-Bill": lambda world: _rebill(world, "again", world.ids[4]),
}


def refused(world: PaymentWorld, path: Callable[[PaymentWorld], Any]) -> None:
    """It raises the one message, opens no attempt and charges nothing."""
    before = sorted(intent["id"] for intent in world.intents()), world.outcomes()
    with pytest.raises(NotReady, match=r"charging is on hold since .* UTC: ") as caught:
        path(world)
    assert "payment_reconciliation" in str(caught.value)
    assert "docs/runbooks/restore.md" in str(caught.value)
    assert (sorted(intent["id"] for intent in world.intents()), world.outcomes()) == before


def reconcile(world: PaymentWorld) -> list[Break]:
    """Both halves of the DAG payment_reconciliation, with its usual window."""
    since = datetime.now(UTC) - timedelta(days=35)
    with world.payment_services() as payments:
        settle_unknown(payments, since, NOW)
        return compare(payments, since)


def charged_twice(world: PaymentWorld) -> dict[str, int]:
    """The statements with more than one succeeded payment at the gateway."""
    return {statement: len(intents) for statement, intents in world.charged().items() if len(intents) > 1}


def holds(world: PaymentWorld) -> list[tuple[Any, ...]]:
    return world.rows("select sign, is_open, lost_payments from finance.charging_holds order by hold_id")


@pytest.fixture
def world(postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[PaymentWorld]:
    """Eight statements; those of every fourth account are declined."""
    with payment_world(postgres, tmp_path, 8, methods=[VISA, VISA, VISA, SOFT]) as opened:
        yield opened


@pytest.mark.parametrize("how", BACKUPS)
def test_nothing_is_charged_before_a_full_comparison(
    postgres: EmbeddedPostgres, tmp_path: Path, world: PaymentWorld, how: str
) -> None:
    """Every path refuses; the comparison names what was lost, lifts the hold, and the rest is charged; nobody twice."""
    _rebill(world, "before", world.ids[0], world.ids[1], world.ids[3])
    restore = BACKUPS[how](postgres, world, tmp_path)
    world.charge()
    lost = {world.ids[n] for n in (2, 4, 5, 6)}
    assert set(world.charged()) == lost | {world.ids[0], world.ids[1]}
    restore()
    forget_keys(world)
    for path in PATHS.values():
        refused(world, path)
    assert holds(world) == [("gateway" if how == "snapshot" else "server", True, 0)]
    with world.payment_services() as payments:
        request = RebillRequest("look", "ann", "", (world.ids[0], world.ids[4]))
        assert [row.code for row in preview_rebill(payments, request, NOW)] == [Code.PAID, Code.ON_HOLD]
    with psycopg.connect(world.services.warehouse_url) as connection:
        state = month_state(month_overview(connection, PERIOD, day=NOW.date()))
    assert state.kind == "bad"
    assert "Charging is on hold since" in state.sentence

    breaks = reconcile(world)
    assert {(b.kind, b.statement_id, b.gateway_payment_id) for b in breaks} == {
        ("charged_not_recorded", statement, world.intent_of(statement)) for statement in lost
    }
    # The two declined payments were lost too.
    assert [row[1:] for row in holds(world)] == [(False, 6)]
    audited = world.rows("select action from finance.audit_events where action ~ 'hold' order by event_id")
    assert audited == [("hold_charging",), ("lift_hold",)]
    for found in breaks:
        payment = MarkRequest(
            found.gateway_payment_id, "ann", "lost", (str(found.statement_id),), PAID_ON, found.gateway_payment_id
        )
        mark_statements(world.services, payment, PAID_ON)
    assert reconcile(world) == []
    world.set_method("a00007", VISA)
    assert world.charge()["succeeded"] == 1
    assert charged_twice(world) == {}
    assert set(world.charged()) == set(world.ids) - {world.ids[3]}
    assert set(world.statuses()) == {"Paid", "Paid manually", "Billing failure"}
    check_books(world)


def test_what_is_left_as_a_break_is_charged_by_no_path(
    postgres: EmbeddedPostgres, tmp_path: Path, world: PaymentWorld
) -> None:
    """Once the hold is lifted the other statements are charged; those with a lost payment wait for a person."""
    restore = as_snapshot(postgres, world, tmp_path)
    _rebill(world, "lost", world.ids[4], world.ids[5])
    restore()
    forget_keys(world)
    assert {b.statement_id for b in reconcile(world)} == {world.ids[4], world.ids[5]}
    world.charge()
    for path in (_month_end, _daily):
        path(world)
    assert charged_twice(world) == {}
    assert len(world.charged()) == 6


def test_a_statement_that_got_another_number_waits_too(
    postgres: EmbeddedPostgres, tmp_path: Path, world: PaymentWorld
) -> None:
    """A lost payment of a statement that isn't there: nothing is charged to its customer until it is put right."""
    restore = as_snapshot(postgres, world, tmp_path)
    _rebill(world, "lost", world.ids[4])
    payment, number = world.intent_of(world.ids[4]), "A-202612-000001"
    (intent,) = world.charged()[world.ids[4]]
    world.sandbox.tamper(payment, metadata=intent["metadata"] | {"evbilling_statement": number})
    restore()
    forget_keys(world)
    assert [(b.kind, b.statement_id) for b in reconcile(world)] == [("charged_not_recorded", number)]
    assert world.charge()["refused"] == {"lost_payment": 1}
    with world.payment_services() as payments:
        (row,) = preview_rebill(payments, RebillRequest("look", "ann", "", (world.ids[4],)), NOW)
        assert row.code is Code.LOST_PAYMENT
    _month_end(world)
    assert [intent["customer"] for found in world.charged().values() for intent in found].count("cus_a00004") == 1
    world.sandbox.delete_intent(payment)
    assert reconcile(world) == []
    _month_end(world, "once more")
    assert world.status(world.ids[4]) == "Paid"
    check_collected_once(world)


def test_a_second_try_of_the_same_task_sends_nothing(
    postgres: EmbeddedPostgres, tmp_path: Path, world: PaymentWorld
) -> None:
    """Attempts opened before the backup and sent after it: they are booked from the list, and sent no second time."""
    with world.payment_services() as payments:
        (batch,) = open_retries(payments, month_end_retries(payments, PERIOD, NOW), "month_end", "once", "ann")
    restore = as_snapshot(postgres, world, tmp_path)
    with world.payment_services() as payments:
        assert payments.collect(batch).succeeded == 6
    restore()
    forget_keys(world)

    def again(world: PaymentWorld) -> None:
        with world.payment_services() as payments:
            payments.collect(batch)

    refused(world, again)
    assert reconcile(world) == []
    assert holds(world) == [("gateway", False, 0)]
    again(world)
    assert world.outcomes() == {"succeeded": 6, "declined": 2}
    check_collected_once(world)


def test_numbers_and_keys_are_not_given_twice(postgres: EmbeddedPostgres, tmp_path: Path, world: PaymentWorld) -> None:
    """Later attempts have numbers above all that the gateway names, and keys that it never had; restored twice too."""
    restore = as_snapshot(postgres, world, tmp_path)
    keys: set[str] = set()
    for life in range(3):
        if life:
            restore()
            forget_keys(world)
            refused(world, PATHS["the charge on the 1st"])
            reconcile(world)
            assert holds(world)[-1][1] is False
        before = {intent["metadata"]["evbilling_attempt"] for intent in world.intents()}
        _rebill(world, f"life {life}", world.ids[life])
        rows = world.rows(
            "select attempt_id::text, idempotency_key from billing.payment_attempt where sent_at is not null"
        )
        assert before.isdisjoint(number for number, _ in rows)
        assert keys.isdisjoint(key for _, key in rows)
        keys |= {key for _, key in rows}
    assert charged_twice(world) == {}
    assert sorted(world.charged()) == world.ids[:3]


def test_reconciliation_notices_and_lifts_in_one_run(
    postgres: EmbeddedPostgres, tmp_path: Path, world: PaymentWorld
) -> None:
    """The daily run finds the payment itself, and goes back beyond its window before it lifts the hold."""
    restore = as_snapshot(postgres, world, tmp_path)
    _rebill(world, "lost", world.ids[0], world.ids[1])
    # One of the payments is older than the window, though not older than what is due.
    payment = world.intent_of(world.ids[1])
    old = datetime.now(UTC) - timedelta(days=60)
    world.sandbox.tamper(payment, created=int(old.timestamp()))
    restore()
    with psycopg.connect(world.admin_url) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute("update billing.statement set issued_at = %s", (old - timedelta(days=1),))
    forget_keys(world)
    with world.payment_services() as payments:
        breaks = compare(payments, datetime.now(UTC) - timedelta(days=35))
    assert {b.gateway_payment_id for b in breaks} == {payment, world.intent_of(world.ids[0])}
    assert holds(world) == [("gateway", False, 2)]


def test_a_warehouse_that_was_only_moved_is_compared_and_goes_on(
    postgres: EmbeddedPostgres, tmp_path: Path, world: PaymentWorld
) -> None:
    """Nothing was lost, which only the comparison can tell: without a break, charging goes on."""
    _rebill(world, "before", world.ids[0])
    as_dump(postgres, world, tmp_path)()
    refused(world, PATHS["the month's end"])
    assert reconcile(world) == []
    assert holds(world) == [("server", False, 0)]
    world.charge()
    check_collected_once(world)
    assert len(world.charged()) == 6


def test_the_warehouse_itself_refuses(postgres: EmbeddedPostgres, tmp_path: Path, world: PaymentWorld) -> None:
    """Opening and claiming fail in the database, whatever the caller looked at before; so does lifting too early."""
    opened = """select billing.open_attempts('issue', 'o', 'b', 'ann', 'r', 15, %s, array['cus'], array['pm'],
                                             array[1])"""
    claimed = "select billing.claim_attempts('b', 10, interval '1 minute')"
    world.write(opened, world.ids[:1])
    world.write("select billing.note_payments(array['pi_x'], array[4711]::bigint[], array[null])")
    for statement, values in ((opened, (world.ids[1:2],)), (claimed, ())):
        with pytest.raises(psycopg.Error, match="charging is on hold") as caught:
            world.write(statement, *values)
        assert caught.value.sqlstate == "EV005"
    for since, listed in (("now()", "now()"), ("'-infinity'", "now() - interval '1 day'")):
        with pytest.raises(psycopg.Error, match="can't be lifted"):
            world.write(f"select billing.lift_hold(1, {since}, {listed})")
    assert world.outcomes() == {"pending": 1}
    assert reconcile(world) == []
    world.write(claimed)
    with psycopg.connect(world.admin_url) as connection:
        connection.execute("update billing.charging_server set identity[3] = 'another'")
    with pytest.raises(psycopg.Error, match="moved or restored"):
        world.write(claimed)


def test_charging_is_put_on_hold_after_claims_that_have_begun(world: PaymentWorld) -> None:
    """Who found no hold has claimed before there is one: it waits for that transaction."""
    with psycopg.connect(world.services.warehouse_url) as connection:
        connection.execute("select billing.claim_attempts('b', 10, interval '1 minute')")
        note = "select billing.note_payments(array['pi_x'], array[4711]::bigint[], array[null])"
        noting = threading.Thread(target=world.write, args=(note,))
        noting.start()
        waiting = (
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        )
        while not world.one(waiting):
            assert noting.is_alive()
        assert holds(world) == []
        connection.commit()
        noting.join(30)
    assert holds(world) == [("gateway", True, 0)]


def test_a_look_costs_one_page(world: PaymentWorld) -> None:
    """A batch asks the gateway for one page more, also where payments of others are among the newest."""
    with listings(world) as count:
        world.charge()
    first = count()
    with world.payment_services() as payments, listings(world) as count:
        payments.require_charging()
    assert count() == 1
    for _ in range(3):
        world.sandbox.make_payment(100, "eur")
    with world.payment_services() as payments, listings(world) as count:
        payments.require_charging()
    assert count() == 1
    # The look, and what became of the charges. Whether the key is taken, a customer tells.
    assert first == 2


@contextmanager
def listings(world: PaymentWorld) -> Generator[Callable[[], int]]:
    """Counts the pages of payments that are listed in the block."""

    def listed() -> int:
        return int(world.sandbox.requests()["by_endpoint"].get(LISTING, 0))

    before = listed()
    yield lambda: listed() - before


def test_payments_of_others_put_nothing_on_hold(world: PaymentWorld) -> None:
    """Another warehouse's, anybody's, and one of ours that names no attempt or was changed by hand in part."""
    world.charge()
    ours = world.one("select installation_id::text from billing.installation")
    attempt, statement = world.rows("select attempt_id::text, statement_id from billing.payment_attempt limit 1")[0]
    for metadata in (
        {"evbilling_installation": "00000000-0000-0000-0000-000000000000", "evbilling_attempt": "4711"},
        {},
        {"evbilling_installation": ours, "evbilling_statement": statement},
        {"evbilling_installation": ours, "evbilling_attempt": "x"},
        {"evbilling_installation": ours, "evbilling_attempt": attempt},
    ):
        world.sandbox.make_payment(100, "eur", metadata=metadata)
    with world.payment_services() as payments:
        payments.require_charging()
    reconcile(world)
    assert holds(world) == []
