"""The preview of an account's billing says what the month would say, of a platform in a database and one in files."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evbilling.connector_statements import draft_run
from evbilling.errors import TransientError
from evbilling.period import Period
from evbilling.platform import PlatformLookup
from evbilling.platform.access import open_lookup
from evbilling.platform.files import lookup as file_lookup
from evbilling.platform.files.lookup import FileLookup
from evbilling.read_models.preview.preview import Outcome, Preview
from evbilling.read_models.preview.reading import preview_terms
from evbilling.services import Services
from evbilling.settings import BillingState, BillingTerms, billing_state, next_period
from evbilling.warehouse import runs
from tests.support.month import LONG_AGO, NOW, PERIOD, Platform, bill, rows, settle_terms, stage, terms
from tests.support.platform_files import as_files

pytestmark = pytest.mark.postgres

ZONES = ("Europe/Berlin", "America/Los_Angeles", "Pacific/Kiritimati", "Asia/Kolkata", "Mars/Olympus")
CURRENCIES = ("EUR", "EUR", "JPY", "KWD", "XXX")
# Around the count of November in one zone or another, and well before it.
TIMES = ("2026-10-31T09:00:00Z", "2026-10-31T22:30:00Z", "2026-11-01T06:30:00Z", "2026-06-01T00:00:00Z")


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    """No test sees what another has read from files."""
    file_lookup.clear_cache()
    yield
    file_lookup.clear_cache()


def ask(
    warehouse_db: Any,
    platform: PlatformLookup,
    proposed: BillingTerms | None,
    *,
    account_id: str = "a",
    period: Period = PERIOD,
    now: datetime = NOW,
) -> Preview:
    """A preview, read as the page reads it: with a connection that may only read."""
    with psycopg.connect(warehouse_db.writer_url) as connection:
        connection.read_only = True
        return preview_terms(platform, connection, account_id, period, proposed, now=now)


def strange_world(platform_url: str, seed: int, *, fits_files: bool) -> list[BillingTerms]:
    """A platform with every fault and every move there is, and the settings of its accounts.

    Files refuse rows without a key or a beginning; a database may have them.
    """
    dice = random.Random(seed)  # ruff: ignore[suspicious-non-cryptographic-random-usage]
    world = Platform(platform_url)
    settings = []
    accounts = [f"a{number:02d}" for number in range(10)]
    for account in accounts:
        world.account(account, zone=dice.choice(ZONES), currency=dice.choice(CURRENCIES))
        if dice.random() < 0.05:
            world.account(account)
        world.user(f"fa-{account}", account, active=dice.choice((True, True, True, False, None)))
        settings.append(
            terms(
                account,
                dice.choice(("5.00", "5.00", "700", "0", "1.2345")),
                charge_connectors=dice.random() < 0.9,
                fee_per_dc_connector=dice.choice((None, Decimal(9), Decimal(0))),
                financial_admin_id=dice.choice((f"fa-{account}", f"fa-{account}", "fa-a00", "nobody", None)),
                exclude_closed=dice.random() < 0.5,
                exclude_private=dice.random() < 0.5,
                tax_rate=Decimal(dice.choice(("0", "0.19", "0.070001"))),
            )
        )
    for number in range(60):
        charger, owner = f"c{number:02d}", dice.choice(accounts)
        scope = dice.choice(("Public", "Public", "Private", "Closed")) if dice.random() < 0.97 else "Secret"
        kind = dice.random()
        if kind < 0.6:
            world.charger(charger, owner, scope)
        elif kind < 0.8:
            moved = dice.choice(TIMES)
            world.charger(charger, owner, scope, ends=moved)
            world.charger(charger, dice.choice(accounts), scope, begins=moved)
        elif kind < 0.85:
            world.charger(charger, owner, scope)
            world.charger(charger, dice.choice(accounts), scope, begins="2026-06-01T00:00:00Z")
        elif kind < 0.9:
            world.charger(charger, owner, scope, ends=dice.choice(TIMES))
        else:
            world.charger(charger, owner, scope, begins=dice.choice(TIMES))
        for connector in range(dice.choice((0, 1, 1)), dice.randrange(1, 5)):
            status = dice.choice(("in_service",) * 6 + ("planned", "removed")) if dice.random() < 0.98 else "asleep"
            power = dice.choice(("AC", "AC", "DC")) if dice.random() < 0.98 else None
            begins = None if dice.random() < 0.1 and not fits_files else "2021-01-01T00:00:00Z"
            world.connector(charger, connector, power, status, begins=begins)
            if dice.random() < 0.02:
                world.connector(charger, connector, power, status, begins=dice.choice((begins, "2022-01-01T00:00:00Z")))
    if not fits_files:
        world.charger(None, dice.choice(accounts))
    world.save()
    if not fits_files:
        # What always was and always will be may be written in two ways.
        world.execute("update platform.charger set valid_from = '-infinity' where valid_from = %s", LONG_AGO)
        world.execute("update platform.connector set valid_to = 'infinity' where charger_id like '%3'")
    return settings


def as_the_month_says(services: Services) -> dict[str, tuple[Any, ...]]:
    """By account: counts, amounts, faults and excluding rules of a run that was decided and drafted."""
    run_id, _, _ = stage(services, max_orphan_connectors=10_000)
    with services.warehouse() as connection:
        run = runs.get_run(connection, run_id)
        shards = runs.get_shards(connection, run_id)
    drafts = draft_run(services, run, shards)
    excluded: dict[str, Counter[str]] = {}
    for shard in shards:
        summary = services.evidence.get_table(shard.summary_uri or "", shard.summary_sha256 or "").to_pylist()
        for row in summary:
            if row["item"] != "billed" and not row["item"].startswith("fault:"):
                excluded.setdefault(row["account_id"], Counter())[row["item"]] += row["connectors"]
    said = {}
    for row in drafts.counts.to_dict("records"):
        account = row["account_id"]
        unbilled = drafts.unbilled[drafts.unbilled["account_id"] == account].to_dict("records")
        owed = None if unbilled else (row["net_minor"], row["tax_minor"])
        said[account] = (
            row["extracted"],
            row["ac_count"],
            row["dc_count"],
            dict(excluded.get(account, {})),
            owed,
            sorted((u["reason_id"], u["detail"], u["expected_amount"]) for u in unbilled if u["is_quarantined"]),
            [u["detail"] for u in unbilled if not u["is_quarantined"]],
        )
    return said


def as_the_preview_says(found: Preview, outcome: Outcome) -> tuple[Any, ...]:
    unit = {"JPY": 0, "KWD": 3, "EUR": 2}.get(found.currency or "", 0)
    owed = None
    if not outcome.problems and outcome.nothing is None and outcome.net is not None and outcome.tax is not None:
        assert outcome.total == outcome.net + outcome.tax
        owed = (int(outcome.net.scaleb(unit)), int(outcome.tax.scaleb(unit)))
    return (
        found.connectors,
        outcome.ac_count,
        outcome.dc_count,
        {e.rule_id: e.connectors for e in outcome.excluded},
        owed,
        sorted((p.reason_id, p.detail, str(outcome.total)) for p in outcome.problems),
        [outcome.nothing] if outcome.nothing else [],
    )


@pytest.mark.parametrize(("seed", "form"), [(0, "database"), (1, "database"), (2, "files")])
def test_the_preview_is_what_the_month_says(
    warehouse_db: Any, platform_db: str, tmp_path: Path, seed: int, form: str
) -> None:
    """Counts, exclusions, amounts and faults in words, of every account, from a database and from files."""
    settings = strange_world(platform_db, seed, fits_files=form == "files")
    settle_terms(warehouse_db.writer_url, *settings)
    expected = as_the_month_says(Services(platform_db, warehouse_db.writer_url, str(tmp_path / "evidence")))
    assert set(expected) == {row.account_id for row in settings if row.charge_connectors}
    kinds = [reason for said in expected.values() for reason, _, _ in said[5]]
    assert len(set(kinds)) >= 5, "the world is too tame to show anything"
    platform = open_lookup(platform_db if form == "database" else as_files(platform_db, tmp_path / "files"))
    found = {
        row.account_id: ask(warehouse_db, platform, row, account_id=row.account_id)
        for row in settings
        if row.charge_connectors
    }
    assert {account: as_the_preview_says(p, p.proposed) for account, p in found.items()} == expected
    assert {account: as_the_preview_says(p, p.current) for account, p in found.items()} == expected
    assert {p.difference for p in found.values()} == {0}


def test_proposed_terms_are_shown_beside_those_in_force(warehouse_db: Any, platform_db: str) -> None:
    """Another fee, another scope: both months with their amounts, and the difference."""
    world = Platform(platform_db)
    world.plain_account("a", connectors=2)
    world.station("a-closed", "a", "Closed", power="DC")
    world.save()
    settle_terms(warehouse_db.writer_url, terms("a", "5.00"))
    found = ask(
        warehouse_db, open_lookup(platform_db), terms("a", "6.50", exclude_closed=True, tax_rate=Decimal("0.07"))
    )
    assert (found.connectors, found.currency) == (3, "EUR")
    assert (found.current.ac_count, found.current.dc_count, found.current.excluded) == (2, 1, ())
    assert (found.current.net, found.current.tax, found.current.total) == (
        Decimal("15.00"),
        Decimal("2.85"),
        Decimal("17.85"),
    )
    assert (found.proposed.ac_count, found.proposed.dc_count) == (2, 0)
    assert [(e.rule_id, e.connectors) for e in found.proposed.excluded] == [("SCOPE-CLOSED", 1)]
    assert (found.proposed.net, found.proposed.tax, found.proposed.total) == (
        Decimal("13.00"),
        Decimal("0.91"),
        Decimal("13.91"),
    )
    assert found.difference == Decimal("-3.94")


def test_a_month_yet_to_come_is_counted_now(warehouse_db: Any, platform_db: str) -> None:
    """Next month's count lies ahead: what stands there now counts, and when that was is told."""
    world = Platform(platform_db)
    world.plain_account("a")
    world.station("a-late", "a")
    world.save()
    world.execute("update platform.charger set valid_from = '2026-12-05T11:00:00Z' where charger_id = 'a-late'")
    platform = open_lookup(platform_db)
    later = ask(warehouse_db, platform, terms("a"), period=Period(2027, 1))
    assert (later.connectors, later.counted_at) == (2, NOW)
    past = ask(warehouse_db, platform, terms("a"), period=PERIOD)
    assert (past.connectors, past.counted_at) == (1, datetime(2026, 10, 31, 23, tzinfo=UTC))


def test_an_account_that_is_not_charged_has_connectors_all_the_same(warehouse_db: Any, platform_db: str) -> None:
    """No setting yet, or billing off: counted, nothing owed, and no fault that would matter only if it were on."""
    world = Platform(platform_db)
    world.plain_account("a", connectors=4)
    world.save()
    platform = open_lookup(platform_db)
    none = ask(warehouse_db, platform, None)
    zero = Outcome(None, net=Decimal("0.00"), tax=Decimal("0.00"), total=Decimal("0.00"))
    assert (none.connectors, none.proposed, none.current) == (4, zero, zero)
    off = ask(warehouse_db, platform, terms("a", "1.2345", charge_connectors=False))
    assert (off.proposed.billed, off.proposed.total, off.proposed.problems) == (0, 0, ())
    on = ask(warehouse_db, platform, terms("a", "5.00"))
    assert on.difference == on.proposed.total == Decimal("23.80")


def test_a_fault_tells_what_is_kept_back(warehouse_db: Any, platform_db: str) -> None:
    """An inactive admin and a fee that can't be paid: both in words, nothing comes in, the expected money is told."""
    world = Platform(platform_db)
    world.plain_account("a", currency="JPY")
    world.save()
    world.execute("update platform.app_user set active = false")
    found = ask(warehouse_db, open_lookup(platform_db), terms("a", "5.50", tax_rate=Decimal(0)))
    assert [p.reason_id for p in found.proposed.problems] == ["ADMIN-INACTIVE", "FEE-DECIMALS"]
    assert (found.proposed.comes_in, found.proposed.total) == (0, Decimal(6))


def test_an_account_that_the_platform_lacks(warehouse_db: Any, platform_db: str) -> None:
    """Billing on for an unknown id: a problem in words, not a failure."""
    found = ask(warehouse_db, open_lookup(platform_db), terms("a"))
    assert (found.connectors, found.currency) == (0, None)
    assert "ACCOUNT-UNKNOWN" in {p.reason_id for p in found.proposed.problems}


def test_a_preview_writes_nothing(warehouse_db: Any, platform_db: str) -> None:
    """It runs in a read-only transaction, and no setting is recorded by it."""
    world = Platform(platform_db)
    world.plain_account("a")
    world.save()
    ask(warehouse_db, open_lookup(platform_db), replace(terms("a"), fee_per_connector=Decimal(7)))
    assert rows(warehouse_db.admin_url, "select count(*) from billing.account_setting") == [(0,)]


def test_files_too_large_to_wait_for(platform_db: str, tmp_path: Path) -> None:
    """Who asks is told that it takes too long, and that the month doesn't depend on it."""
    world = Platform(platform_db)
    world.plain_account("a")
    world.save()
    folder = as_files(platform_db, tmp_path / "files")
    with pytest.raises(TransientError, match="too large to be read through while you wait") as refused:
        FileLookup(folder, timeout_seconds=-1).find_accounts()
    assert "the month reads them all the same" in (refused.value.fix or "")


def test_how_far_an_account_is_billed(warehouse_db: Any, platform_db: str, tmp_path: Path) -> None:
    """After a real month: issued for one account, held back for another, and nothing for a third."""
    world = Platform(platform_db)
    for account in ("a", "b"):
        world.plain_account(account)
    world.save()
    with psycopg.connect(warehouse_db.writer_url) as connection:
        assert billing_state(connection, "a") == BillingState(None)
        assert next_period(connection, NOW) == Period(2026, 12)
    settle_terms(warehouse_db.writer_url, terms("a"), terms("b", financial_admin_id=None))
    bill(Services(platform_db, warehouse_db.writer_url, str(tmp_path / "evidence")))
    with psycopg.connect(warehouse_db.writer_url) as connection:
        assert billing_state(connection, "a") == BillingState(PERIOD, issued=(PERIOD,))
        missing = "no financial admin is set; choose one in the account's billing settings"
        assert billing_state(connection, "b") == BillingState(PERIOD, faults=((PERIOD, missing),))
        assert billing_state(connection, "c") == BillingState(PERIOD)
        assert next_period(connection, NOW) == PERIOD.shifted(1)
