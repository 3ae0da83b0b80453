"""A month from end to end on a small hand-written platform: one account per situation, and every way to rerun it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha512
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evbilling.connector_statements import (
    apply_scope_rules,
    close_run,
    extract_inventory,
    issue_statements,
    plan_statements,
    validate,
)
from evbilling.errors import SetFault
from evbilling.period import Period
from evbilling.platform.access import open_lookup
from evbilling.read_models.preview.reading import preview_terms
from evbilling.services import Services
from tests.support.month import (
    LONG_AGO,
    NOW,
    OF_THE_RUN_ITSELF,
    PERIOD,
    Billed,
    Platform,
    bill,
    contents,
    one,
    published,
    rows,
    settle_terms,
    staging_tables,
    terms,
)
from tests.support.platform_files import as_files

pytestmark = pytest.mark.postgres

# Longer than any key of Postgres, and nothing that it could compress.
LONG_ID = b64encode(b"".join(sha512(bytes([n])).digest() for n in range(40))).decode()[:2_669]
MOVED_AT = "2026-11-01T00:00:00Z"


class World:
    """A platform and a warehouse, and a month between them."""

    def __init__(self, platform_url: str, warehouse: Any, evidence: Path) -> None:
        self.platform = Platform(platform_url)
        self.warehouse = warehouse
        self.services = Services(platform_url, warehouse.writer_url, str(evidence))

    def fill(self) -> None:
        """One account per situation, all of them with billing on but the last."""
        p = self.platform
        p.plain_account("plain", connectors=3)
        # Scope: the same three chargers at an account that excludes them and at one that doesn't.
        for name in ("open", "strict"):
            p.plain_account(name, connectors=0)
            for scope in ("Public", "Private", "Closed"):
                p.station(f"{name}-{scope}", name, scope)
        p.plain_account("fast", connectors=2)
        p.station("fast-dc", "fast", connectors=2, power="DC")
        p.plain_account("mixed", connectors=1)
        p.connector("mixed-1", 2, status="planned")
        p.connector("mixed-1", 3, status="removed")
        p.connector("mixed-1", 0, power=None)
        # A charger that leaves Honolulu for Auckland at 00:00 UTC of the 1st: each has it at its own count instant.
        p.plain_account("auckland", zone="Pacific/Auckland", currency="NZD")
        p.plain_account("honolulu", zone="Pacific/Honolulu", currency="USD")
        p.charger("mover", "auckland", ends=MOVED_AT)
        p.charger("mover", "honolulu", begins=MOVED_AT)
        p.connector("mover")
        # Faults of connectors.
        p.plain_account("scope-unknown", connectors=2)
        p.station("scope-unknown-2", "scope-unknown", "Somewhere")
        p.plain_account("twice", connectors=1)
        p.connector("twice-1")
        p.plain_account("overlap", connectors=1)
        p.connector("overlap-1", begins="2026-01-01T00:00:00Z")
        p.plain_account("shared-a", connectors=1)
        p.plain_account("shared-b", connectors=1)
        p.station("shared", "shared-a")
        p.charger("shared", "shared-b", begins="2026-01-01T00:00:00Z")
        p.plain_account("claimed", connectors=1)
        p.charger("claimed-1", "unbilled", begins="2026-01-01T00:00:00Z")
        # Faults of accounts.
        for name in ("admin-missing", "admin-unknown", "admin-inactive", "admin-foreign"):
            p.account(name)
            p.station(f"{name}-1", name)
        p.user("fa-admin-inactive", "admin-inactive", active=False)
        p.user("fa-admin-foreign", "plain")
        p.plain_account("zone-unknown", zone="Mars/Olympus")
        # A name that each machine has for a zone of its own.
        p.plain_account("zone-of-here", zone="localtime")
        p.plain_account("currency-unknown", currency="EURO")
        # Ids that no key of the warehouse has room for, even compressed.
        p.plain_account("too-long", connectors=1)
        p.station(LONG_ID, "too-long", connectors=2)
        p.plain_account("not-a-fee", connectors=1)
        p.plain_account("dollars", connectors=2, currency="USD")
        p.plain_account("yen", connectors=2, currency="JPY")
        p.plain_account("dinar", connectors=2, currency="KWD")
        p.plain_account("nameless", connectors=1)
        p.charger(None, "nameless")
        # Nothing to bill.
        p.plain_account("free", connectors=2)
        p.plain_account("free-ac", connectors=2)
        p.plain_account("empty", connectors=0)
        p.plain_account("all-closed", connectors=0)
        p.station("all-closed-1", "all-closed", "Closed")
        p.plain_account("off")
        p.plain_account("unbilled")
        p.save()
        settle_terms(
            self.warehouse.writer_url,
            *[
                terms(name)
                for name in (
                    "plain",
                    "open",
                    "mixed",
                    "auckland",
                    "honolulu",
                    "scope-unknown",
                    "twice",
                    "overlap",
                    "shared-a",
                    "shared-b",
                    "claimed",
                    "admin-unknown",
                    "admin-inactive",
                    "admin-foreign",
                    "zone-unknown",
                    "zone-of-here",
                    "currency-unknown",
                    "too-long",
                    "not-a-fee",
                    "nameless",
                    "empty",
                    "ghost",
                )
            ],
            terms("strict", exclude_closed=True, exclude_private=True),
            terms("fast", fee_per_dc_connector=Decimal("9.99"), tax_rate=Decimal("0.077")),
            terms("admin-missing", financial_admin_id=None),
            terms("dollars", "4.125"),
            terms("yen", "4.5"),
            terms("dinar", "1.234"),
            terms("free", "0"),
            terms("free-ac", "0", fee_per_dc_connector=Decimal(9)),
            terms("all-closed", exclude_closed=True),
            terms("off", charge_connectors=False),
        )
        # As a direct write could record it once.
        with psycopg.connect(self.warehouse.admin_url) as connection:
            connection.execute(
                """insert into billing.account_setting (account_id, effective_from, charge_connectors,
                       financial_admin_id, fee_per_connector, exclude_closed, exclude_private, tax_rate, actor)
                   select account_id, '2021-01', true, financial_admin_id, 'NaN', false, false, tax_rate, actor
                   from billing.account_setting where account_id = 'not-a-fee'"""
            )

    def bill(self, **options: Any) -> Billed:
        return bill(self.services, **options)

    def finance(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return rows(self.warehouse.finance_url, query, *values)

    def billing(self) -> dict[str, list[str]]:
        """All rows but those of the run itself. Chargers of an account on hold are called as its newest run says."""
        named = """select n::text from billing.charger_name n where exists (
            select from billing.connector_decision d where d.account_id = n.account_id) order by 1"""
        kept = contents(self.warehouse.admin_url, leave_out=OF_THE_RUN_ITSELF | {"charger_name"})
        return kept | {"charger_name": [row for (row,) in rows(self.warehouse.admin_url, named)]}


@pytest.fixture
def world(platform_db: str, warehouse_db: Any, tmp_path: Path) -> World:
    return World(platform_db, warehouse_db, tmp_path)


STATEMENTS = {
    # account: connectors, net, tax, total, currency
    "auckland": (2, "10.00", "1.90", "11.90", "NZD"),
    "dinar": (2, "2.468", "0.469", "2.937", "KWD"),
    "fast": (4, "29.98", "2.31", "32.29", "EUR"),
    "honolulu": (1, "5.00", "0.95", "5.95", "USD"),
    "mixed": (1, "5.00", "0.95", "5.95", "EUR"),
    "open": (3, "15.00", "2.85", "17.85", "EUR"),
    "plain": (3, "15.00", "2.85", "17.85", "EUR"),
    "strict": (1, "5.00", "0.95", "5.95", "EUR"),
}
UNBILLED = {
    # (account, reason): connectors, amount, currency
    ("admin-foreign", "ADMIN-OF-ANOTHER-ACCOUNT"): (1, "5.95", "EUR"),
    ("admin-inactive", "ADMIN-INACTIVE"): (1, "5.95", "EUR"),
    ("admin-missing", "ADMIN-MISSING"): (1, "5.95", "EUR"),
    ("admin-unknown", "ADMIN-UNKNOWN"): (1, "5.95", "EUR"),
    ("all-closed", "NO-CONNECTORS"): (0, "0.00", "EUR"),
    ("claimed", "OVERLAPPING-HISTORY"): (1, "5.95", "EUR"),
    ("currency-unknown", "CURRENCY-UNKNOWN"): (1, "5.9500", "EURO"),
    ("dollars", "FEE-DECIMALS"): (2, "9.82", "USD"),
    ("empty", "NO-CONNECTORS"): (0, "0.00", "EUR"),
    ("free", "FEE-ZERO"): (2, "0.00", "EUR"),
    ("free-ac", "FEE-ZERO"): (2, "0.00", "EUR"),
    ("ghost", "ACCOUNT-UNKNOWN"): (0, "0.0000", None),
    ("ghost", "ADMIN-UNKNOWN"): (0, "0.0000", None),
    ("nameless", "CHARGER-ID-MISSING"): (1, "5.95", "EUR"),
    ("overlap", "OVERLAPPING-HISTORY"): (1, "5.95", "EUR"),
    ("scope-unknown", "SCOPE-UNKNOWN"): (3, "17.85", "EUR"),
    ("shared-a", "OVERLAPPING-HISTORY"): (2, "11.90", "EUR"),
    ("shared-b", "OVERLAPPING-HISTORY"): (1, "5.95", "EUR"),
    ("twice", "DUPLICATE-CONNECTOR"): (1, "5.95", "EUR"),
    ("yen", "FEE-DECIMALS"): (2, "11", "JPY"),
    ("not-a-fee", "FEE-INVALID"): (1, "0.00", "EUR"),
    ("too-long", "CHARGER-ID-TOO-LONG"): (3, "17.85", "EUR"),
    ("zone-of-here", "TIME-ZONE-UNKNOWN"): (1, "5.95", "EUR"),
    ("zone-unknown", "TIME-ZONE-UNKNOWN"): (1, "5.95", "EUR"),
}
EXCLUDED = {
    ("all-closed", "all-closed-1", 1, "SCOPE-CLOSED"),
    ("free", "free-1", 1, "FEE-ZERO"),
    ("free", "free-1", 2, "FEE-ZERO"),
    ("free-ac", "free-ac-1", 1, "FEE-ZERO"),
    ("free-ac", "free-ac-1", 2, "FEE-ZERO"),
    ("honolulu", "mover", 1, "BILLED-ELSEWHERE"),
    ("mixed", "mixed-1", 0, "STATION-ITSELF"),
    ("mixed", "mixed-1", 2, "NOT-IN-SERVICE"),
    ("mixed", "mixed-1", 3, "NOT-IN-SERVICE"),
    ("strict", "strict-Closed", 1, "SCOPE-CLOSED"),
    ("strict", "strict-Private", 1, "SCOPE-PRIVATE"),
}


@pytest.mark.parametrize("shard_rows", [1_000_000, 30])
def test_every_situation_comes_out_as_finance_expects(world: World, shard_rows: int) -> None:
    """Statements, lines, decisions, unbilled accounts and tie-out of all situations, with one shard and with many."""
    world.fill()
    billed = world.bill(shard_rows=shard_rows)
    assert len(billed.shards) == (1 if shard_rows > 1000 else 2)

    found = world.finance(
        """select account_id, connector_count, net_amount::text, tax_amount::text, total_amount::text, currency
           from finance.statements"""
    )
    assert {row[0]: row[1:] for row in found} == STATEMENTS
    numbers = world.finance("select account_id, statement_id from finance.statements order by statement_id")
    assert numbers == [(account, f"A-202611-{n:06d}") for n, account in enumerate(sorted(STATEMENTS), start=1)]

    found = world.finance(
        """select account_id, reason_id, expected_connector_count, expected_amount::text, currency
           from finance.unbilled_accounts"""
    )
    assert {row[:2]: row[2:] for row in found} == UNBILLED

    found = world.finance(
        "select account_id, charger_id, connector_id, rule_id from finance.connector_decisions where not is_billed"
    )
    assert set(found) == EXCLUDED
    assert len(found) == len(EXCLUDED)

    lines = world.finance(
        """select account_id, count(*), sum(net_amount)::text, sum(unit_price)::text from finance.statement_lines
           group by account_id"""
    )
    assert {row[0]: row[1:] for row in lines} == {a: (s[0], s[1], s[1]) for a, s in STATEMENTS.items()}
    assert world.finance("select count(*) from finance.connector_decisions where is_billed") == [(17,)]
    assert world.finance("select check_id from finance.tie_out where not is_ok") == []
    assert world.finance("select count(*) from finance.tie_out")[0][0] == 4 + len({s[4] for s in STATEMENTS.values()})
    assert staging_tables(world.warehouse.admin_url) == []


# A row for each way to lie around a count: begins and ends (None: long ago, never), in seconds from it; is it counted?
AROUND: dict[str, tuple[int | None, int | None, bool]] = {
    "began-before": (-1, None, True),
    "begins": (0, None, True),
    "begins-after": (1, None, False),
    "ended-before": (None, -1, False),
    "ends": (None, 0, False),
    "ends-after": (None, 1, True),
}


@pytest.mark.parametrize("form", ["database", "files"])
def test_the_count_is_of_what_is_valid_at_its_very_instant(world: World, tmp_path: Path, form: str) -> None:
    """What begins at 00:00 counts and what ends at 00:00 doesn't, at the first count, between, and at the last.

    The month and the preview count alike.
    """
    zones = {"first": "Pacific/Kiritimati", "between": "Europe/Berlin", "last": "Pacific/Pago_Pago"}
    instants = {name: PERIOD.count_instant(zone) for name, zone in zones.items()}
    for name, at in instants.items():
        world.platform.plain_account(name, zone=zones[name], connectors=0)
        for way, seconds in AROUND.items():
            begins, ends = (None if s is None else f"{at + timedelta(seconds=s)}" for s in seconds[:2])
            charger, station = f"{name}-charger-{way}", f"{name}-connector-{way}"
            world.platform.charger(charger, name, begins=begins or LONG_AGO, ends=ends)
            world.platform.connector(charger)
            world.platform.charger(station, name)
            world.platform.connector(station, begins=begins or LONG_AGO, ends=ends)
    if form == "database":
        # A charger without an id would be its account's fault, but this one had gone by then.
        world.platform.charger(None, "first", ends=f"{instants['first']}")
    # A charger in good order of nobody's, whose id is too long for an index.
    world.platform.station(LONG_ID, "nobody")
    world.platform.save()
    source = as_files(world.platform.url, tmp_path / "files") if form == "files" else world.platform.url
    settle_terms(world.warehouse.writer_url, *map(terms, zones))
    bill(Services(source, world.warehouse.writer_url, str(tmp_path / "evidence")))
    expected = {
        f"{name}-{thing}-{way}"
        for name in zones
        for thing in ("charger", "connector")
        for way, (*_, is_counted) in AROUND.items()
        if is_counted
    }
    found = world.finance("select charger_id from finance.connector_decisions where is_billed")
    assert {charger for (charger,) in found} == expected
    assert world.finance("select count(*) from finance.connector_decisions") == [(len(expected),)]
    assert world.finance("select * from finance.unbilled_accounts") == []
    with psycopg.connect(world.warehouse.writer_url) as connection:
        previews = [preview_terms(open_lookup(source), connection, name, PERIOD, None, now=NOW) for name in zones]
    assert [(shown.connectors, shown.current.problems) for shown in previews] == [(len(expected) // 3, ())] * 3


def test_statements_freeze_what_was_used(world: World) -> None:
    """Type label, admin, names, date, status, instant: as they were when the statement was issued."""
    world.fill()
    world.bill()
    assert world.finance(
        """select kind, type_label, account_name, financial_admin_id, period, statement_date::text, paid_amount,
                  balance_due = total_amount, status, corrects_statement_id
           from finance.statements where account_id = 'plain'"""
    ) == [
        ("connector", "Account Chargers", "Name of plain", "fa-plain", "2026-11", "2026-11-01", 0, True, "Issued", None)
    ]
    query = "select count_instant, tax_rate, fee_minor, dc_fee_minor from billing.statement where account_id = 'fast'"
    assert rows(world.warehouse.admin_url, query) == [
        (datetime(2026, 10, 31, 23, tzinfo=UTC), Decimal("0.077"), 500, 999)
    ]


@pytest.mark.parametrize("shard_rows", [pytest.param(1_000_000, marks=pytest.mark.full), 30])
def test_the_same_truth_again_writes_nothing(world: World, shard_rows: int) -> None:
    """A second run changes no row but its own record, however it is split and however the platform orders its rows."""
    world.fill()
    world.bill()
    before = world.billing()
    world.platform.execute("update platform.connector set standard = 'other' where connector_id = 1")
    again = world.bill(shard_rows=shard_rows)
    assert again.issued == {"outcome": "unchanged", "statements": 0, "decisions": 0, "unbilled": 0, "differing": 0}
    assert world.billing() == before


STEPS: dict[str, Callable[[Services, int], Any]] = {
    "extract": lambda services, run_id: extract_inventory(services, run_id, 0),
    "decide": lambda services, run_id: apply_scope_rules(services, run_id, 0),
    "validate": validate,
    "plan": plan_statements,
    "issue": issue_statements,
    "close": close_run,
}


def test_any_step_repeated_after_the_close_changes_nothing(world: World) -> None:
    """A task that is cleared after its run has closed neither fails nor changes what is published or its evidence."""
    world.fill()
    run_id = world.bill().run_id
    before = contents(world.warehouse.admin_url, leave_out={"fence", "validation_result"})
    for name, step in STEPS.items():
        step(world.services, run_id)
        after = contents(world.warehouse.admin_url, leave_out={"fence", "validation_result"})
        changed = {table: (after[table], before[table]) for table in before if after[table] != before[table]}
        assert changed == {}, name
    assert staging_tables(world.warehouse.admin_url) == []


def test_a_closed_run_s_evidence_stays_though_the_platform_changes(world: World) -> None:
    """Clearing the extraction of an issued run must not put today's inventory in the place of the month's snapshot."""
    world.platform.plain_account("plain")
    world.platform.save()
    settle_terms(world.warehouse.writer_url, terms("plain"))
    run_id = world.bill().run_id
    query = "select inventory_uri, inventory_sha256, extracted_rows from billing.run_shard where run_id = %s"
    before = rows(world.warehouse.admin_url, query, run_id)
    world.platform.station("later", "plain", connectors=5)
    world.platform.save()
    extract_inventory(world.services, run_id, 0)
    assert rows(world.warehouse.admin_url, query, run_id) == before


def test_a_mended_account_is_issued_by_the_next_run_alone(world: World) -> None:
    """After the fixes only the missing statements are issued, with the next numbers; their reasons leave the view."""
    world.fill()
    world.bill()
    before = {row[0]: row for row in world.finance("select * from finance.statements")}
    world.platform.execute("update platform.charger set scope_status = 'Public' where scope_status = 'Somewhere'")
    world.platform.execute("update platform.app_user set active = true")
    settle_terms(world.warehouse.writer_url, terms("yen", "5"))
    again = world.bill()
    assert again.issued["outcome"] == "issued"
    assert again.issued["statements"] == 3
    after = {row[0]: row for row in world.finance("select * from finance.statements")}
    assert {number: row for number, row in after.items() if number in before} == before
    new = world.finance("select statement_id, account_id, total_amount::text from finance.statements order by 1")[8:]
    assert new == [
        ("A-202611-000009", "admin-inactive", "5.95"),
        ("A-202611-000010", "scope-unknown", "17.85"),
        ("A-202611-000011", "yen", "12"),
    ]
    left = {(row[0], row[1]) for row in world.finance("select account_id, reason_id from finance.unbilled_accounts")}
    mended = {("admin-inactive", "ADMIN-INACTIVE"), ("scope-unknown", "SCOPE-UNKNOWN"), ("yen", "FEE-DECIMALS")}
    assert left == set(UNBILLED) - mended
    assert world.finance("select check_id from finance.tie_out where not is_ok") == []
    resolved = "select count(*) from billing.unbilled_account where resolved_by_run_id = %s"
    assert one(world.warehouse.admin_url, resolved, again.run_id) == 3


def test_another_truth_for_an_issued_account_is_told_and_not_written(world: World) -> None:
    """The run's outcome is `differs`, its record says how, and nothing published changes."""
    world.fill()
    world.bill()
    before = world.billing()
    world.platform.station("plain-2", "plain", connectors=2)
    world.platform.save()
    again = world.bill()
    assert again.issued == {"outcome": "differs", "statements": 0, "decisions": 0, "unbilled": 0, "differing": 1}
    assert world.billing() == before
    ((state, (difference,)),) = rows(
        world.warehouse.admin_url, "select state, differences from billing.run where run_id = %s", again.run_id
    )
    assert state == "differs"
    assert difference["account_id"] == "plain"
    assert (difference["issued_connectors"], difference["connectors"]) == (3, 5)
    assert "3 connectors issued, 5 now" in difference["says"]
    assert "2 added" in difference["says"]


def test_other_connectors_with_the_same_sum_differ_too(world: World) -> None:
    """Equal amounts of different connectors are another truth."""
    world.platform.plain_account("plain", connectors=3)
    world.platform.save()
    settle_terms(world.warehouse.writer_url, terms("plain"))
    world.bill()
    world.platform.execute("update platform.connector set connector_id = 7 where connector_id = 3")
    again = world.bill()
    assert (again.issued["outcome"], again.issued["differing"]) == ("differs", 1)
    assert again.closed["not_ok"] == []


def test_an_issued_account_that_is_at_fault_now_is_told(world: World) -> None:
    """Its statement stays, the difference is recorded, and it isn't listed as unbilled."""
    world.platform.plain_account("plain", connectors=3)
    world.platform.plain_account("other", connectors=3)
    world.platform.save()
    settle_terms(world.warehouse.writer_url, terms("plain"), terms("other"))
    world.bill()
    before = world.billing()
    world.platform.execute("update platform.app_user set active = false where user_id = 'fa-plain'")
    again = world.bill()
    assert again.issued["outcome"] == "differs"
    assert world.billing() == before
    query = "select differences->0->>'says' from billing.run where run_id = %s"
    assert one(world.warehouse.admin_url, query, again.run_id) == "its account has a fault now and would be quarantined"


def test_a_connector_billed_already_stays_where_it_was_billed(world: World) -> None:
    """Auckland is mended only after Honolulu was issued with the moved charger: it isn't billed a second time."""
    p = world.platform
    p.plain_account("auckland", zone="Pacific/Auckland")
    p.plain_account("honolulu", zone="Pacific/Honolulu")
    p.charger("mover", "nobody", ends=MOVED_AT)
    p.charger("mover", "honolulu", begins=MOVED_AT)
    p.connector("mover")
    p.save()
    settle_terms(world.warehouse.writer_url, terms("auckland"), terms("honolulu"))
    p.execute("update platform.app_user set active = false where user_id = 'fa-auckland'")
    world.bill()
    p.execute("update platform.app_user set active = true")
    p.execute("update platform.charger set account_id = 'auckland' where account_id = 'nobody'")
    again = world.bill()
    assert again.issued["statements"] == 1
    assert again.issued["differing"] == 0
    assert again.closed["not_ok"] == []
    query = "select account_id, rule_id from finance.connector_decisions where charger_id = 'mover' order by 1"
    assert world.finance(query) == [("auckland", "BILLED-ELSEWHERE"), ("honolulu", None)]


def test_a_past_month_is_billed_from_its_snapshot(world: World) -> None:
    """Without the source's history a re-run reads the stored snapshot: unchanged, or the missing statements from it."""
    world.fill()
    world.bill()
    before = world.billing()
    world.platform.execute("update platform.charger set valid_from = '2026-12-01', valid_to = null")
    world.platform.execute("update platform.connector set valid_from = '2026-12-01', valid_to = null")
    again = world.bill()
    assert again.issued["outcome"] == "unchanged"
    assert world.billing() == before
    world.platform.execute("update platform.app_user set active = true")
    assert world.bill().issued["statements"] == 1
    assert world.finance("select account_id from finance.statements order by statement_id desc limit 1") == [
        ("admin-inactive",)
    ]


def test_a_snapshot_serves_though_an_account_s_billing_was_switched_off_since(world: World) -> None:
    """An account in the snapshot that isn't billed any more is left out; the others are compared as ever."""
    world.platform.plain_account("plain")
    world.platform.plain_account("leaver")
    world.platform.save()
    settle_terms(world.warehouse.writer_url, terms("plain"), terms("leaver"))
    world.bill()
    settle_terms(world.warehouse.writer_url, terms("leaver", charge_connectors=False))
    world.platform.execute("update platform.charger set valid_from = '2026-12-01'")
    again = world.bill(max_count_change_percent=100)
    assert again.issued["outcome"] == "differs"
    assert again.issued["differing"] == 1


def test_a_snapshot_can_t_bill_an_account_that_it_lacks(world: World) -> None:
    """An account switched on for a month whose history is gone is set aside: nobody knows its connectors then."""
    for name in ("plain", "newcomer"):
        world.platform.plain_account(name)
    world.platform.save()
    settle_terms(world.warehouse.writer_url, terms("plain"))
    world.bill()
    settle_terms(world.warehouse.writer_url, terms("newcomer"))
    world.platform.execute("update platform.charger set valid_from = '2026-12-01'")
    assert world.bill().issued["statements"] == 0
    query = "select account_id, reason_id, is_quarantined from finance.unbilled_accounts"
    assert world.finance(query) == [("newcomer", "SNAPSHOT-WITHOUT-ACCOUNT", True)]


def test_a_past_month_without_history_and_snapshot_is_refused(world: World) -> None:
    """No history, no snapshot: a clear refusal, and nothing published."""
    world.fill()
    world.platform.execute("update platform.charger set valid_from = '2026-12-01'")
    with pytest.raises(SetFault, match=r"begins 2026-12-01, after the count of 2026-11, and no snapshot"):
        world.bill()
    assert not any(published(world.warehouse.admin_url).values())


def test_settings_count_from_their_month_on(world: World) -> None:
    """A fee from December on leaves November's alone, and billing that begins in December isn't billed in November."""
    world.platform.plain_account("plain")
    world.platform.plain_account("newcomer")
    world.platform.save()
    december = Period(2026, 12)
    settle_terms(
        world.warehouse.writer_url,
        terms("plain"),
        terms("plain", "7", effective_from=december),
        terms("newcomer", effective_from=december),
    )
    for period in ("2026-11", "2026-12"):
        world.bill(period=period, max_count_change_percent=100)
    query = "select period, account_id, net_amount::text from finance.statements order by 1, 2"
    assert world.finance(query) == [
        ("2026-11", "plain", "5.00"),
        ("2026-12", "newcomer", "5.00"),
        ("2026-12", "plain", "7.00"),
    ]
    assert world.finance("select distinct statement_id from finance.statements order by 1") == [
        ("A-202611-000001",),
        ("A-202612-000001",),
        ("A-202612-000002",),
    ]


def test_a_billing_switched_off_afterwards_leaves_the_figures_in_agreement(world: World) -> None:
    """An account that had nothing to bill and is then switched off leaves unbilled accounts and tie-out."""
    world.platform.plain_account("plain", connectors=3)
    world.platform.plain_account("strict", connectors=0)
    world.platform.station("strict-1", "strict", "Closed")
    world.platform.save()
    settle_terms(world.warehouse.writer_url, terms("plain"), terms("strict", exclude_closed=True))
    world.bill()
    settle_terms(world.warehouse.writer_url, terms("strict", charge_connectors=False))
    again = world.bill(max_count_change_percent=100)
    assert again.closed["not_ok"] == []
    assert world.finance("select account_id from finance.unbilled_accounts") == []
    assert world.finance("select distinct account_id from finance.connector_decisions") == [("plain",)]
