"""Nobody pays for another account, whatever the platform says: from each kind of source, on each way to a charge."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evbilling.connector_statements import validate
from evbilling.errors import BadInput
from evbilling.mail.recipients import Address, read_recipients
from evbilling.payments.actions import Code, RebillRequest, charge_again, preview_rebill
from evbilling.payments.retries.runs import due_retries, month_end_retries, open_retries
from evbilling.platform.access import open_lookup
from evbilling.platform.files import lookup as file_lookup
from evbilling.read_models.preview import preview_terms
from evbilling.services import Services
from evbilling_local.stack import EmbeddedPostgres
from tests.support.month import NOW, PERIOD, Platform, bill, rows, settle_terms, stage, terms
from tests.support.payments import PaymentWorld, check_collected_once, payment_world
from tests.support.platform_files import as_files, as_parquet

pytestmark = pytest.mark.postgres

# A source of the platform's tables as they are in the database now: its URL.
Source = Callable[[str, Path], str]


def _files(url: str, folder: Path) -> str:
    shutil.rmtree(folder, ignore_errors=True)
    file_lookup.clear_cache()
    return as_files(url, folder)


SOURCES: dict[str, Source] = {
    "Postgres": lambda url, _: url,
    "CSV": _files,
    "Parquet": lambda url, folder: as_parquet(_files(url, folder)),
}
sources = pytest.mark.parametrize("source", SOURCES)

INSERT = """insert into platform.app_user
            select {} from platform.app_user where user_id = 'fa-a00000'"""
ROW = "user_id, account_id, full_name, email, active, payment_customer, payment_method"


def also(**changes: str) -> str:
    """Another row of the first account's financial admin, with some columns changed."""
    columns = [changes.get(name, name) for name in ROW.split(", ")]
    return INSERT.format(", ".join(columns))


OTHER = {"account_id": "'a00001'", "payment_customer": "'cus_a00001'"}
UNCLEAR: dict[str, tuple[str, ...]] = {
    "twice, the other account's last": (also(**OTHER),),
    "twice, the other account's first": (
        also(**OTHER),
        "create table moved as select * from platform.app_user where ctid in ("
        " select min(ctid) from platform.app_user where user_id = 'fa-a00000')",
        "delete from platform.app_user where user_id = 'fa-a00000' and account_id = 'a00000'",
        "insert into platform.app_user select * from moved",
        "drop table moved",
    ),
    "twice, with another card": (also(payment_method="'pm_card_mastercard'"),),
    "moved to the other account": ("update platform.app_user set account_id = 'a00001' where user_id = 'fa-a00000'",),
    "of the account in another case": (
        "update platform.app_user set account_id = 'A00000' where user_id = 'fa-a00000'",
    ),
}


# Every way from Postgres; the first two are enough to see that files are read the same.
CASES = [
    pytest.param(source, how, marks=[pytest.mark.full] if source != "Postgres" and n > 1 else [])
    for source in SOURCES
    for n, how in enumerate(UNCLEAR)
]


@pytest.fixture
def world(postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[PaymentWorld]:
    """Two accounts with a statement each."""
    with payment_world(postgres, tmp_path, 2) as opened:
        yield opened


def read_from(world: PaymentWorld, source: str, folder: Path) -> None:
    """The platform as it is now, from another kind of source."""
    url = SOURCES[source](world.platform.url, folder / source)
    world.services = replace(world.services, platform_url=url)


def plans(world: PaymentWorld) -> dict[str, str]:
    return dict(world.rows("select statement_id, reason_id from finance.payment_plans"))


def try_again(world: PaymentWorld, name: str) -> None:
    """The day's retries and the month's end."""
    later = NOW + timedelta(days=9)
    with world.payment_services() as payments:
        for trigger, found in (
            ("planned", due_retries(payments, later)),
            ("month_end", month_end_retries(payments, PERIOD, later)),
        ):
            for batch in open_retries(payments, found, trigger, f"{trigger} {name}", "ann"):
                payments.collect(batch)


@pytest.mark.parametrize(("source", "how"), CASES)
def test_an_unclear_payer_is_charged_nothing_until_it_is_clear(
    world: PaymentWorld, tmp_path: Path, source: str, how: str
) -> None:
    """No card of anybody, no notice to a customer; it is planned with the reason, and charged once it is put right."""
    for statement in UNCLEAR[how]:
        world.platform.execute(statement)
    read_from(world, source, tmp_path)
    first = world.ids[0]
    assert world.charge()["refused"] == {"payer_unclear": 1}
    assert sorted(world.charged()) == world.ids[1:]
    assert plans(world) == {first: "PAYER-UNCLEAR"}
    try_again(world, "first")
    request = RebillRequest("r", "ann", "x", (first,))
    with world.payment_services() as payments:
        (row,) = preview_rebill(payments, request, NOW)
        assert row.code is Code.PAYER_UNCLEAR
        assert "fa-a00000" in str(row.detail)
        with pytest.raises(BadInput, match="no statement is charged"):
            charge_again(payments, request, NOW)
    assert plans(world) == {first: "PAYER-UNCLEAR"}
    assert world.attempts(first) == []
    assert world.rows("select 1 from billing.mail where kind = 'failed_charge'") == []
    assert isinstance(_recipient(world), str)

    world.platform.execute("truncate platform.app_user")
    world.platform.execute("insert into platform.app_user select * from at_first.app_user")
    world.set_method("a00000", "pm_card_visa")
    read_from(world, source, tmp_path)
    assert isinstance(_recipient(world), Address)
    try_again(world, "second")
    assert [intent["customer"] for intent in world.charged()[first]] == ["cus_a00000"]
    check_collected_once(world)


@sources
def test_a_user_in_equal_rows_pays(world: PaymentWorld, tmp_path: Path, source: str) -> None:
    """The same row twice says the same of the payer."""
    world.platform.execute(also())
    read_from(world, source, tmp_path)
    assert world.charge()["succeeded"] == 2
    check_collected_once(world)


def _recipient(world: PaymentWorld) -> Any:
    found = read_recipients(world.services.platform_url, {"fa-a00000"}, {"a00000"})
    return found.address_of("fa-a00000", "a00000")


@sources
def test_an_admin_who_is_two_accounts_is_a_reason_for_quarantine(
    platform_db: str, warehouse_db: Any, tmp_path: Path, source: str
) -> None:
    """The account is expected to bring its money, the others are billed, and the page says so before the month does."""
    platform = Platform(platform_db)
    for name in ("acc-a", "acc-b"):
        platform.account(name)
        for number in (1, 2):
            platform.station(f"ch-{name}-{number}", name, connectors=2)
    platform.user("u-a", "acc-a")
    platform.user("u-a", "acc-b")
    platform.user("u-b", "acc-b")
    platform.save()
    services = Services(
        SOURCES[source](platform_db, tmp_path / "files"), warehouse_db.writer_url, str(tmp_path / "evidence")
    )
    in_force = [terms(f"acc-{name}", financial_admin_id=f"u-{name}") for name in "ab"]
    settle_terms(warehouse_db.writer_url, *in_force)
    assert bill(services).issued["statements"] == 1
    assert rows(warehouse_db.finance_url, "select account_id, total_amount from finance.statements") == [
        ("acc-b", Decimal("23.80"))
    ]
    unbilled = """select account_id, reason_id, detail, expected_connector_count, expected_amount, currency
                  from finance.unbilled_accounts"""
    detail = "the platform has 2 different rows for financial admin u-a (acc-a, acc-b); keep one"
    assert rows(warehouse_db.finance_url, unbilled) == [("acc-a", "ADMIN-REPEATED", detail, 4, Decimal("23.80"), "EUR")]
    with psycopg.connect(warehouse_db.writer_url) as connection:
        preview = preview_terms(
            open_lookup(services.platform_url), connection, "acc-a", PERIOD.shifted(1), in_force[0], now=NOW
        )
    assert [(problem.reason_id, problem.detail) for problem in preview.proposed.problems] == [
        ("ADMIN-REPEATED", detail)
    ]


@sources
def test_a_customer_of_several_accounts_is_a_warning(
    platform_db: str, warehouse_db: Any, tmp_path: Path, source: str
) -> None:
    """It may be meant, so both are billed."""
    platform = Platform(platform_db)
    for name in ("a", "b"):
        platform.plain_account(name)
    platform.save()
    platform.execute("update platform.app_user set payment_customer = 'cus_of_both'")
    services = Services(
        SOURCES[source](platform_db, tmp_path / "files"), warehouse_db.writer_url, str(tmp_path / "evidence")
    )
    settle_terms(warehouse_db.writer_url, terms("a"), terms("b"))
    run_id, *_ = stage(services)
    assert validate(services, run_id)["warnings"] == 1
    says = "select says from billing.validation_result where not success"
    assert rows(warehouse_db.admin_url, says) == [("No customer of the gateway pays for several accounts",)]
