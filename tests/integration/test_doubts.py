"""What is doubtful about an inventory is told with examples, in the task's log, the kept results and the run."""

from __future__ import annotations

import logging
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from evbilling.errors import SetFault
from evbilling.services import Services
from tests.support.month import Billed, Platform, bill, one, rows, settle_terms, terms
from tests.support.platform_files import as_files

pytestmark = pytest.mark.postgres

SPELLINGS = ("FR*S89*P89257*A", "fr*s89*p89257*a", "FRS89P89257A")


class World:
    """Accounts `a` and `acc-2` in good order, and a warehouse."""

    def __init__(self, platform_url: str, warehouse: Any, evidence: Path) -> None:
        self.platform = Platform(platform_url)
        self.platform.plain_account("a")
        self.platform.plain_account("acc-2")
        self.url = warehouse.admin_url
        self.services = Services(platform_url, warehouse.writer_url, str(evidence))
        settle_terms(warehouse.writer_url, terms("a"), terms("acc-2"))

    def bill(self, services: Services | None = None, **options: Any) -> Billed:
        self.platform.save()
        return bill(services or self.services, **options)

    def doubts(self, billed: Billed) -> dict[str, str]:
        """What the run found doubtful, by what should be so; as it is kept, and as the run's warnings have it."""
        query = """select says, sample ->> 0 from billing.validation_result
                   where run_id = %s and not success and severity = 'warning' and suite = 'period' order by result_id"""
        found = dict(rows(self.url, query, billed.run_id))
        warned = one(self.url, "select warnings from billing.run where run_id = %s", billed.run_id)
        assert all(any(text in warning for warning in warned) for text in found.values())
        return found


@pytest.fixture
def world(platform_db: str, warehouse_db: Any, tmp_path: Path) -> World:
    return World(platform_db, warehouse_db, tmp_path / "evidence")


def test_an_inventory_in_good_order_has_no_doubts(world: World) -> None:
    """Ids as fleets have them, with numbers of sites and bays, aren't alike."""
    for charger in ("site-1-11", "site-11-1", "site-111"):
        world.platform.station(charger, "a")
    assert world.doubts(world.bill()) == {}


@pytest.mark.parametrize("shard_rows", [1_000_000, 2])
def test_one_plug_under_three_spellings(world: World, caplog: pytest.LogCaptureFixture, shard_rows: int) -> None:
    """The warning names ids, accounts and connectors, also where the ids are in several shards; all are billed."""
    for charger, account in zip(SPELLINGS, ("a", "a", "acc-2"), strict=True):
        world.platform.station(charger, account)
    world.platform.connector(SPELLINGS[0], 2)
    with caplog.at_level(logging.WARNING):
        billed = world.bill(shard_rows=shard_rows)
    assert len(billed.shards) > 1 or shard_rows > 2
    said = (
        "3 chargers in 1 group: 'FR*S89*P89257*A' (account 'a', 2 connectors), 'FRS89P89257A' (account 'acc-2', "
        "1 connector), 'fr*s89*p89257*a' (account 'a', 1 connector)"
    )
    assert list(world.doubts(billed).values()) == [said]
    assert said in caplog.text
    totals = "select account_id, net_amount from finance.statements order by 1"
    assert rows(world.url, totals) == [("a", Decimal("20.00")), ("acc-2", Decimal("10.00"))]


@pytest.mark.parametrize("form", ["database", "files"])
def test_chargers_of_nobody_are_named_with_the_account_that_is_meant(world: World, tmp_path: Path, form: str) -> None:
    """A blank at the end, a blank of no width, other letters, simply unknown, none at all; and where one was before."""
    for charger, account in (
        ("x1", "acc-2 "),
        ("x2", "acc-2 "),
        ("x3", "acc-2\u200b"),
        ("x4", "Acc 2"),
        ("x5", "nobody"),
    ):
        world.platform.station(charger, account)
    world.platform.charger("x6", None)
    world.platform.charger("moved", "a", ends="2026-10-15T00:00:00Z")
    world.platform.charger("moved", "gone", begins="2026-10-15T00:00:00Z")
    world.platform.user("u9", "acc-2 ")
    world.platform.save()
    source = as_files(world.platform.url, tmp_path / "files") if form == "files" else world.platform.url
    services = Services(source, world.services.warehouse_url, world.services.evidence_url)
    found = world.doubts(world.bill(services))
    assert found["Every charger belongs to an account that the platform knows"] == (
        "2 chargers of the account 'acc-2 ' ('x1' to 'x2'), which resembles 'acc-2'; "
        "1 charger of the account 'Acc 2' ('x4'), which resembles 'acc-2'; "
        "1 charger of the account 'acc-2\\u200b' ('x3'), which resembles 'acc-2'; "
        "1 charger of the account 'gone' ('moved'); 'moved' was at 'a' until 2026-10-15; "
        "1 charger of the account 'nobody' ('x5'); 1 charger of other accounts"
    )
    assert found["Every user belongs to an account that the platform knows"] == (
        "1 user of the account 'acc-2 ' ('u9'), which resembles 'acc-2'"
    )
    assert one(world.url, "select sum(connector_count) from finance.statements") == 2


def test_accounts_whose_ids_are_alike(world: World) -> None:
    """Of the platform and of the settings; two that aren't billed are nobody's matter here."""
    for account in ("A ", "nobody-1", "Nobody 1"):
        world.platform.account(account)
    settle_terms(world.services.warehouse_url, terms("ACC-2"))
    (said,) = (said for says, said in world.doubts(world.bill()).items() if says.startswith("No two accounts"))
    assert said == "'A ' and 'a'; 'ACC-2' (in the billing settings only) and 'acc-2'"


def test_connectors_of_no_charger_name_the_one_that_is_meant(world: World) -> None:
    """As the reason to stop, and, where so many are allowed, as a warning."""
    world.platform.station(SPELLINGS[0], "a")
    world.platform.connector(SPELLINGS[2], 3)
    world.platform.connector("x ", 1)
    with pytest.raises(SetFault, match=r"'FRS89P89257A'/3, which resembles 'FR.S89.P89257.A'; 'x '/1"):
        world.bill()
    found = world.doubts(world.bill(max_orphan_connectors=2))
    assert found["Every connector is under a charger that the platform knows"] == (
        "2 without: 'FRS89P89257A'/3, which resembles 'FR*S89*P89257*A'; 'x '/1"
    )
