"""`evbilling migrate`: the warehouse is what the files below `sql/` say, and one at the last migration goes on."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evbilling.errors import NotReady
from evbilling.services import Services
from evbilling.warehouse import migrate
from evbilling.warehouse.query import SQL_ROOT
from tests.support.month import Platform, bill, one, rows, settle_terms, terms
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.postgres

_numbers = itertools.count(1)

_DEFINES = re.compile(
    r"^create (?:or replace )?(?:unique )?(table|view|function|type|domain|index|trigger|schema) ([a-z_.]+)(.*)",
    re.MULTILINE,
)


def _definitions() -> list[tuple[str, str, str]]:
    """(kind, name, file) of all that the files define; a trigger's name is `table.trigger`."""
    found = []
    for folder in ("schema", "functions", "views"):
        for path in sorted((SQL_ROOT / folder).rglob("*.sql")):
            for kind, name, rest in _DEFINES.findall(path.read_text(encoding="utf-8")):
                full = f"{re.search(r' on (billing[.][a-z_]+)', rest)[1]}.{name}" if kind == "trigger" else name
                found.append((kind, full, path.relative_to(SQL_ROOT).as_posix()))
    return found


_CATALOG = """
select 'schema', n.nspname from pg_namespace n where n.nspname in {ours}
union all
select 'function', n.nspname || '.' || proname from pg_proc join pg_namespace n on n.oid = pronamespace
where n.nspname in {ours}
union all
select case relkind when 'v' then 'view' else 'table' end, n.nspname || '.' || relname
from pg_class join pg_namespace n on n.oid = relnamespace where n.nspname in {ours} and relkind in ('r', 'p', 'v')
union all
select 'trigger', n.nspname || '.' || relname || '.' || tgname
from pg_trigger join pg_class c on c.oid = tgrelid join pg_namespace n on n.oid = relnamespace
where n.nspname in {ours} and not tgisinternal and tgparentid = 0
union all
select 'index', relname from pg_class c join pg_namespace n on n.oid = relnamespace
where n.nspname in {ours} and relkind in ('i', 'I') and not relispartition
  and not exists (select from pg_constraint where conindid = c.oid and contype <> 'f')
union all
select case typtype when 'd' then 'domain' else 'type' end, n.nspname || '.' || typname
from pg_type join pg_namespace n on n.oid = typnamespace where n.nspname in {ours} and typtype in ('d', 'e')
""".replace("{ours}", "('billing', 'finance', 'staging')")


@pytest.fixture
def empty(postgres: PostgresServer) -> Iterator[str]:
    """URL of an empty database."""
    name = f"migrated_{next(_numbers)}"
    yield postgres.create_database(name)
    postgres.drop_database(name)


def test_each_object_of_the_warehouse_is_defined_in_one_file(warehouse_db: Any) -> None:
    """Neither twice, nor without a file, nor in a file that `migrate` doesn't run."""
    defined = Counter((kind, name) for kind, name, _ in _definitions())
    assert defined == Counter(rows(warehouse_db.admin_url, _CATALOG))


def test_functions_and_views_are_in_files_of_their_names() -> None:
    """`grep` isn't needed to find one: functions/<area>/<name>.sql, views/<schema>/<name>.sql."""
    for kind, name, file in _definitions():
        schema, _, own = name.partition(".")
        if kind == "function":
            assert re.fullmatch(rf"functions/[a-z_]+/{own}\.sql", file)
        elif kind == "view":
            assert file == f"views/{schema}/{own}.sql"


def test_each_function_has_the_text_of_its_file(warehouse_db: Any) -> None:
    """To the letter, comments included."""
    files = {name: (SQL_ROOT / file).read_text(encoding="utf-8") for kind, name, file in _definitions()}
    query = "select 'billing.' || proname, prosrc from pg_proc where pronamespace = 'billing'::regnamespace"
    assert [name for name, source in rows(warehouse_db.admin_url, query) if source not in files[name]] == []


def test_what_was_changed_by_hand_is_as_its_file_says_again(warehouse_db: Any) -> None:
    """Functions, views, comments and rights are put right by each `migrate`."""
    objects = """select pg_get_functiondef('billing.major'::regproc), pg_get_viewdef('finance.tie_out'::regclass),
                        obj_description('finance.tie_out'::regclass), p.proacl::text, c.relacl::text
                 from pg_proc p cross join pg_class c
                 where p.oid = 'billing.major'::regproc and c.oid = 'billing.run'::regclass"""
    before = rows(warehouse_db.admin_url, objects)
    with psycopg.connect(warehouse_db.admin_url) as connection:
        connection.execute(
            """create or replace function billing.major(p_minor bigint, p_minor_unit smallint) returns numeric
               language sql immutable return p_minor;
               grant execute on function billing.major to public;
               create or replace view finance.tie_out with (security_barrier) as
               select period::text as period, check_id, left_label, left_value, right_label, right_value,
                      left_value - right_value as difference, true as is_ok
               from billing.tie_out;
               comment on view finance.tie_out is 'x';
               grant delete on billing.run to evbilling_writer"""
        )
    assert rows(warehouse_db.admin_url, objects) != before
    assert migrate(warehouse_db.admin_url) == []
    assert rows(warehouse_db.admin_url, objects) == before


def test_a_warehouse_at_the_last_migration_goes_on_without_a_change(
    platform_db: str, warehouse_db: Any, tmp_path: Path
) -> None:
    """0015 is the last migration that the baseline replaces. All rows stay, and the next month can be billed."""
    services = Services(platform_db, warehouse_db.writer_url, str(tmp_path))
    platform = Platform(platform_db)
    platform.plain_account("a", connectors=3)
    platform.save()
    settle_terms(warehouse_db.writer_url, terms("a"))
    bill(services, "2026-10")
    tables = """select oid::regclass::text from pg_class
                where relnamespace = 'billing'::regnamespace and relkind in ('r', 'p')"""
    objects = """select c.oid::regclass::text, c.relkind::text, c.relacl::text, c.relfilenode from pg_class c
                 where c.relnamespace in ('billing'::regnamespace, 'staging'::regnamespace, 'finance'::regnamespace)"""

    def state() -> Any:
        content = {
            table: sorted(rows(warehouse_db.admin_url, f"select t::text from {table} t"))
            for (table,) in rows(warehouse_db.admin_url, tables)
        }
        return content, sorted(rows(warehouse_db.admin_url, objects))

    with psycopg.connect(warehouse_db.admin_url) as connection:
        connection.execute(
            """update public.schema_version set version_num = '0015';
               create function billing.number_statement_drafts(bigint, bigint) returns void language sql return null;
               create function billing.attach_statement_tables(text) returns void language sql return null;
               create function billing.record_outcomes(bigint[], text[], text[], text[], text[], text[], text[])
               returns void language sql return null;
               drop table billing.lost_payment, billing.charging_hold, billing.charging_server, billing.alert_message,
                          billing.alert, billing.dag_event, billing.service_level_policy cascade;
               drop index billing.account_setting_first, billing.attempt_refused, billing.attempt_declined,
                          billing.payment_plan_by_reason, billing.standing_due"""
        )
    before, objects_before = state()
    assert migrate(warehouse_db.admin_url) == [
        "0016_merged_functions",
        "0017_charging_hold",
        "0018_staging_is_the_owners",
        "0019_functions_for_grants",
        "0020_conclusions_name_their_claim",
        "0021_refusals_and_disputes",
        "0022_payment_returns",
        "0023_service_levels",
        "0024_plans",
        "0025_corrections_of_some_statements",
        "0026_progress",
        "0027_approvals",
        "0028_runs_of_some_accounts",
        "0029_adjustments",
        "0030_refunds",
        "0031_forgiveness",
        "0032_canary",
        "0033_missed_month_policies",
        "0034_mail_documents",
        "0035_due",
        "0036_journal",
        "0037_payment_list",
        "0038_picked_canary",
        "0039_names",
        "0040_standing_due",
        "0041_level_of_missed_months",
    ]
    after, objects_after = state()
    assert {table: after[table] for table in before} == before
    assert set(objects_before) <= set(objects_after)
    assert one(warehouse_db.admin_url, "select count(*) from pg_proc where proname = 'record_outcomes'") == 1
    assert one(warehouse_db.admin_url, "select to_regproc('billing.number_statement_drafts')") is None
    assert one(warehouse_db.admin_url, "select to_regproc('billing.attach_statement_tables')") is None
    bill(services, "2026-11")
    assert one(warehouse_db.admin_url, "select count(*) from finance.statements") == 2


@pytest.mark.parametrize(
    ("revision", "message"),
    [("0014", "upgrades from 0015 on"), ("9999", "doesn't know")],
)
def test_a_revision_that_cant_be_upgraded_is_refused(empty: str, revision: str, message: str) -> None:
    """Older than the baseline, or of a newer version: the message says what to run, and nothing is changed."""
    with psycopg.connect(empty) as connection:
        connection.execute("create table public.schema_version (version_num varchar(32) not null)")
        connection.execute("insert into public.schema_version values (%s)", (revision,))
        connection.execute("grant select on public.schema_version to evbilling_owner")
    with pytest.raises(NotReady, match=message) as refused:
        migrate(empty)
    assert f"revision {revision}" in str(refused.value)
    assert "->" in str(refused.value)
    assert one(empty, "select to_regnamespace('billing')") is None
    assert rows(empty, "select version_num from public.schema_version") == [(revision,)]
