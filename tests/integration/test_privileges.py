"""Who may do what in the warehouse: the three roles, on a database that `evbilling migrate` made from nothing."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

import evbilling.warehouse.schema
from evbilling.errors import TransientError
from evbilling.services import Services
from evbilling.warehouse import migrate
from tests.support.month import Platform, bill, rows, settle_terms, stage, terms
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.postgres

_numbers = itertools.count(1)
REFUSED = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.ReadOnlySqlTransaction,
    psycopg.errors.ObjectNotInPrerequisiteState,  # a view over several tables
)
# The contract with finance: at least these columns of the views that a month of connector statements fills.
VIEWS = {
    "statements": "statement_id kind type_label account_id account_name financial_admin_id period statement_date"
    " currency connector_count net_amount tax_amount total_amount paid_amount balance_due status issued_at"
    " corrects_statement_id",
    "statement_lines": "statement_id period account_id charger_id connector_id power_type unit_price net_amount",
    "connector_decisions": "period account_id charger_id connector_id is_billed rule_id statement_id",
    "unbilled_accounts": "period account_id reason_id detail expected_connector_count expected_amount currency",
    "tie_out": "period check_id left_label left_value right_label right_value difference is_ok",
    "audit_events": "event_id occurred_at actor action subject_id reason run_id login application",
}


class Fresh:
    """A database of its own, migrated, with one issued month."""

    def __init__(self, server: PostgresServer, platform_url: str, evidence: Path) -> None:
        name = f"fresh_{next(_numbers)}"
        self.platform_url = platform_url
        self.admin_url = server.create_database(name)
        self.applied = migrate(self.admin_url)
        self.writer_url = server.url("evbilling_writer", name, password="test")
        self.finance_url = server.url("finance_reader", name, password="test")
        platform = Platform(platform_url)
        platform.plain_account("a", connectors=3)
        platform.account("held")
        platform.save()
        settle_terms(self.writer_url, terms("a"), terms("held"))
        bill(Services(platform_url, self.writer_url, str(evidence)))


@pytest.fixture(scope="module")
def fresh(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    postgres.create_database("fresh_platform", template="platform_template")
    return Fresh(postgres, postgres.url(database="fresh_platform"), tmp_path_factory.mktemp("evidence"))


def refused(url: str, statement: str, *errors: type[Exception], role: str | None = None) -> str:
    """The message with which the database refuses a statement."""
    with psycopg.connect(url) as connection:
        if role:
            connection.execute(f"set role {role}")
        with pytest.raises(errors or REFUSED) as caught:
            connection.execute(statement)
        connection.rollback()
    return str(caught.value)


def test_a_second_migration_does_nothing(fresh: Fresh) -> None:
    """The first names what it applied, the second applies nothing and leaves every object as it was."""
    query = """select c.oid::regclass::text, c.relkind::text, c.relacl::text from pg_class c
               where c.relnamespace::regnamespace::text in ('billing', 'staging', 'finance') order by 1"""
    before = rows(fresh.admin_url, query)
    assert len(fresh.applied) >= 2
    assert migrate(fresh.admin_url) == []
    assert rows(fresh.admin_url, query) == before


def test_there_is_one_newest_schema() -> None:
    """Two heads would leave open which schema is the newest."""
    config = Config()
    config.set_main_option("script_location", str(Path(evbilling.warehouse.schema.__file__).parent / "alembic"))
    assert len(ScriptDirectory.from_config(config).get_heads()) == 1


def test_a_silent_server_is_told() -> None:
    """`migrate` says which server doesn't answer, without the password."""
    with pytest.raises(TransientError, match=r"127\.0\.0\.1:9/nowhere") as failed:
        migrate("postgresql://me:secret@127.0.0.1:9/nowhere")
    assert "secret" not in str(failed.value)


@pytest.mark.parametrize("view", VIEWS)
def test_a_finance_view_has_its_agreed_columns_each_with_a_comment(fresh: Fresh, view: str) -> None:
    """Readers find the columns of the contract, and what each means, in the database itself."""
    found = rows(
        fresh.finance_url,
        """select attname, col_description(attrelid, attnum) from pg_attribute
           where attrelid = %s::regclass and attnum > 0 and not attisdropped""",
        f"finance.{view}",
    )
    assert set(VIEWS[view].split()) <= {name for name, _ in found}
    assert [name for name, comment in found if not (comment or "").strip()] == []


def test_every_finance_view_is_explained(fresh: Fresh) -> None:
    """No view and no column of schema finance goes without a comment, later ones neither."""
    query = """select c.relname, a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
               where c.relnamespace = 'finance'::regnamespace
                 and (col_description(c.oid, a.attnum) is null or obj_description(c.oid, 'pg_class') is null)"""
    assert rows(fresh.finance_url, query) == []
    kinds = "select distinct relkind::text from pg_class where relnamespace = 'finance'::regnamespace"
    assert rows(fresh.finance_url, kinds) == [("v",)]


IMMUTABLE = {"statement": "total_minor = 1", "account_setting": "tax_rate = 0", "audit_event": "reason = 'x'"}


@pytest.mark.parametrize("role", [None, "evbilling_owner"])
@pytest.mark.parametrize("table", IMMUTABLE)
def test_what_is_written_never_changes(fresh: Fresh, table: str, role: str | None) -> None:
    """Not even the owner or a superuser updates, deletes or empties statements, settings and the audit."""
    for statement in (
        f"update billing.{table} set {IMMUTABLE[table]}",
        f"delete from billing.{table}",
        f"truncate billing.{table} cascade",
    ):
        said = refused(fresh.admin_url, statement, psycopg.Error, role=role)
        assert "refused: its rows never change once written" in said


@pytest.mark.parametrize(
    "statement",
    [
        "update billing.connector_decision set unit_price_minor = 1",
        "delete from billing.connector_decision",
        "update billing.connector_decision_2026_11 set unit_price_minor = 1",
    ],
)
def test_decisions_of_issued_statements_never_change(fresh: Fresh, statement: str) -> None:
    """The lines of an issued statement stay, also when the partition is named."""
    said = refused(fresh.admin_url, statement, psycopg.Error, role="evbilling_owner")
    assert "belongs to an issued statement" in said


@pytest.mark.parametrize("table", ["connector_decision", "connector_decision_2026_11", "connector_decision_2026_11_0"])
def test_decisions_are_never_emptied(fresh: Fresh, table: str) -> None:
    """Neither the table nor a month's partition of it can be truncated."""
    said = refused(fresh.admin_url, f"truncate billing.{table}", psycopg.Error, role="evbilling_owner")
    assert "refused: its rows never change once written" in said


PUBLISHED = ["statement", "connector_decision", "connector_decision_2026_11", "unbilled_account"]
WRITER_MAY_NOT = [
    *(f"insert into billing.{t} select * from billing.{t}" for t in [*PUBLISHED, "statement_counter"]),
    *(f"update billing.{t} set period = period" for t in PUBLISHED),
    "update billing.connector_decision_2026_11_0 set unit_price_minor = 0",
    "update billing.statement_counter set last_number = 0",
    "update billing.account_setting set tax_rate = 0",
    "update billing.audit_event set reason = ''",
    "create table billing.mine (a int)",
    "create table finance.mine (a int)",
    "create table public.mine (a int)",
    "create table staging.mine (a int)",
    "create temporary table mine (a int)",
    "create schema mine",
    "drop table billing.run cascade",
    "update billing.run set period = '2026-12'",
    "update billing.run set state = 'open'",
    "update billing.run set actor = 'eve'",
    "insert into billing.run (dag_id) values ('mine')",
    "update billing.run_shard set stage_table = 'run_1'",
    "update billing.fence set epoch = 0",
    "insert into billing.fence values ('mine', 1)",
    "update billing.tie_out set right_value = left_value",
    "insert into billing.tie_out select * from billing.tie_out",
    "insert into billing.validation_result (suite) values ('mine')",
    "insert into billing.account_setting (account_id, recorded_at) values ('mine', '2001-01-01')",
    "insert into billing.audit_event (actor, action, subject_id, reason) values ('eve', 'rebill', 'x', 'x')",
    "alter table billing.statement disable trigger all",
    "set role evbilling_owner",
]


@pytest.mark.parametrize("statement", WRITER_MAY_NOT)
def test_the_writer_publishes_through_functions_alone(fresh: Fresh, statement: str) -> None:
    """The DAGs' login can't write statements, decisions, runs or the audit by itself, nor make anything anywhere."""
    refused(fresh.writer_url, statement)


def test_the_writer_deletes_nothing_in_billing(fresh: Fresh) -> None:
    """No DELETE and no TRUNCATE on any table of the system of record, partitions included."""
    query = """select oid::regclass::text from pg_class
               where relnamespace = 'billing'::regnamespace and relkind in ('r', 'p')"""
    tables = [name for (name,) in rows(fresh.admin_url, query)]
    assert len(tables) > 10
    for table in tables:
        refused(fresh.writer_url, f"delete from {table}")
        refused(fresh.writer_url, f"truncate {table}")


_DIRECT = """
select c.oid::regclass::text, lower(privilege_type) from pg_class c cross join aclexplode(c.relacl) a
where relnamespace::regnamespace::text in ('billing', 'finance', 'staging', 'public') and privilege_type <> 'SELECT'
  and grantee in (0, 'evbilling_writer'::regrole, 'finance_reader'::regrole)
union
select format('%s.%s', attrelid::regclass, attname), lower(privilege_type)
from pg_attribute cross join aclexplode(attacl)
where grantee in (0, 'evbilling_writer'::regrole, 'finance_reader'::regrole)
  and attrelid::regclass::text ~ '^(billing|finance|staging|public)[.]'
"""


def test_the_rights_that_are_left_to_the_writer_are_documented(fresh: Fresh) -> None:
    """docs/security.md lists each, with its reason; a right that it doesn't list is red, also a column's."""
    text = (Path(__file__).resolve().parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
    listed = {
        (table, right)
        for table, written in re.findall(r"^\| `(billing\.\w+)` \| ([a-z, ]+) \| .{30,} \|$", text, re.MULTILINE)
        for right in written.split(", ")
    }
    assert len(listed) > 1
    assert set(rows(fresh.admin_url, _DIRECT)) == listed


def test_the_writer_only_adds_rows_to_staged_tables(fresh: Fresh, tmp_path: Path) -> None:
    """Of a run that is staged, the owner has every table, and the writer may copy into those that it fills.

    Drafts only between open_drafts() and number_drafts(), in one transaction.
    """
    run_id, *_ = stage(Services(fresh.platform_url, fresh.writer_url, str(tmp_path)), "2026-12")
    with psycopg.connect(fresh.writer_url) as connection:
        connection.execute("select billing.open_account_stage(%s)", (run_id,))
    granted = rows(fresh.admin_url, _DIRECT)
    staged = {(name.removeprefix("staging."), right) for name, right in granted if name.startswith("staging.")}
    with psycopg.connect(fresh.writer_url) as connection:
        connection.execute("select billing.drop_stage(%s)", (run_id,))
    assert staged == {
        *((f"account_run_{run_id}_{part}", "insert") for part in ("candidate", "charge", "counted", "withheld")),
    }


def test_a_right_given_by_hand_goes_with_the_next_migration(fresh: Fresh) -> None:
    """To a login or to everybody, on a table, a schema or a function."""
    with psycopg.connect(fresh.admin_url) as connection:
        connection.execute(
            """grant update, delete on billing.run to evbilling_writer;
               grant insert on billing.tie_out to public;
               grant update on finance.statements to finance_reader;
               grant create on schema staging, billing to evbilling_writer;
               grant execute on function billing.plan_later to evbilling_writer, finance_reader"""
        )
        connection.execute(f"grant temporary on database {connection.info.dbname} to evbilling_writer".encode())
    before = rows(fresh.admin_url, _DIRECT)
    migrate(fresh.admin_url)
    assert len(before) - len(rows(fresh.admin_url, _DIRECT)) == 4
    left = rows(
        fresh.admin_url,
        """select has_schema_privilege(r, 'staging', 'create'), has_schema_privilege(r, 'billing', 'create'),
                  has_database_privilege(r, current_database(), 'temporary'),
                  has_function_privilege(r, 'billing.plan_later(text[], text)', 'execute')
           from unnest(array['evbilling_writer', 'finance_reader']) r""",
    )
    assert left == [(False,) * 4] * 2


def test_an_event_of_the_audit_says_when_and_by_which_session(fresh: Fresh) -> None:
    """Not even the owner can write one of another time or login; the actor is whom the service names."""
    with psycopg.connect(fresh.admin_url, application_name="by hand") as connection:
        connection.execute("set role evbilling_owner")
        found = connection.execute(
            """insert into billing.audit_event (actor, action, subject_id, reason, occurred_at, login, application)
               values ('ann', 'x', 'x', 'x', '2001-01-01', 'nobody', 'nothing')
               returning occurred_at = now(), login, application, actor"""
        ).fetchone()
        connection.rollback()
    assert found == (True, "postgres", "by hand", "ann")
    issued = "select distinct login, application from finance.audit_events where action = 'issue_connector_statements'"
    assert rows(fresh.finance_url, issued) == [("evbilling_writer", "evbilling")]


RUN_CALLS = {
    "note_run({run}, p_source => 'elsewhere')": "has its outcome already: issued",
    "settle_run({run}, 'unchanged', '{{}}', '[]')": "has its outcome already: issued",
    "register_inventory({run}, 0, 'x', 'x', 1, 0)": "has its outcome already: issued",
    "record_findings({run}, '[]')": "has its outcome already: issued",
    "settle_run({new}, 'issued', '{{}}', '[]')": "can't end as issued: it has published nothing",
    "settle_run({new}, 'open', '{{}}', '[]')": "can't end as open",
    "settle_run({new}, null, '{{}}', '[]')": "can't end as",
    "note_run(0, p_source => 'elsewhere')": "there is no run 0",
    "record_tie_out({new}, 'mine')": "function billing.tie_out_mine.* does not exist",
    "hold_fence('never raised', null)": "nobody holds never raised",
    "hold_fence('never raised', 1)": "nobody holds never raised",
    "hold_fence('issue 2026-11', null)": "nobody holds issue 2026-11",
    "hold_fence(null, null)": "nobody holds",
    "record_settings(" + "'{{}}', " * 9 + "' ', 'why')": "who and why",
}


@pytest.mark.parametrize("call", RUN_CALLS)
def test_a_run_is_only_taken_forward(fresh: Fresh, call: str) -> None:
    """Its functions refuse to change what has its outcome, and an outcome that isn't so."""
    run_id = rows(fresh.admin_url, "select min(run_id) from billing.run where state = 'issued'")[0][0]
    with psycopg.connect(fresh.writer_url) as connection:
        opened = "select billing.open_run('connector_statements', 'x', '2027-01', 'ann', 'x', 'auto')"
        new = connection.execute(opened).fetchone()[0]  # type: ignore[index]
        with pytest.raises(psycopg.Error, match=RUN_CALLS[call]):
            connection.execute(f"select billing.{call.format(run=run_id, new=new)}".encode())
        connection.rollback()


def test_finance_reads_every_view_and_nothing_else(fresh: Fresh) -> None:
    """finance_reader selects from each view of finance, and from no table of billing or staging."""
    for (view,) in rows(
        fresh.admin_url, "select oid::regclass::text from pg_class where relnamespace = 'finance'::regnamespace"
    ):
        rows(fresh.finance_url, f"select * from {view} limit 1")
    assert len(rows(fresh.finance_url, "select * from finance.statements")) == 1
    for statement in (
        "select * from billing.statement",
        "select * from billing.connector_decision_2026_11",
        "select billing.raise_fence('x')",
        "create table staging.mine (a int)",
        "create temp table mine (a int)",
    ):
        refused(fresh.finance_url, statement)


@pytest.mark.parametrize(
    "statement",
    [
        "update finance.statements set account_id = account_id",
        "delete from finance.tie_out",
        "create table public.mine (a int)",
    ],
)
def test_finance_writes_nothing(fresh: Fresh, statement: str) -> None:
    """Not even where the session's read-only default is lifted."""
    refused(fresh.finance_url, statement)
    with psycopg.connect(fresh.finance_url) as connection:
        connection.execute("set session characteristics as transaction read write")
        connection.commit()
        # A view that joins can't be written at all; any of these means nothing was.
        with pytest.raises((*REFUSED, psycopg.errors.ObjectNotInPrerequisiteState)):
            connection.execute(statement)


def test_nobody_else_may_enter(fresh: Fresh) -> None:
    """The database is closed to logins that are none of the three."""
    (granted,) = rows(fresh.admin_url, "select has_database_privilege('public', current_database(), 'connect')")[0]
    assert granted is False


STATEMENT: dict[str, Any] = {
    "statement_id": "A-202611-000009",
    "kind": "connector",
    "period": "2026-11",
    "account_id": "new",
    "number": 9,
    "financial_admin_id": "u",
    "time_zone": "UTC",
    "count_instant": "2026-11-01",
    "statement_date": "2026-11-01",
    "currency": "EUR",
    "minor_unit": 2,
    "fee_minor": 500,
    "dc_fee_minor": 900,
    "tax_rate": "0.19",
    "ac_count": 3,
    "dc_count": 1,
    "net_minor": 2400,
    "tax_minor": 456,
    "total_minor": 2856,
    "code_version": "test",
}


def _insert(url: str, **changes: Any) -> None:
    values = STATEMENT | changes
    with psycopg.connect(url) as connection:
        connection.execute(
            f"""insert into billing.statement (run_id, setting_id, {", ".join(values)})
                select (select max(run_id) from billing.run), (select max(setting_id) from billing.account_setting),
                       {", ".join(["%s"] * len(values))}""",
            list(values.values()),
        )
        connection.rollback()


@pytest.mark.parametrize(
    ("constraint", "changes"),
    [
        ("one_per_kind_account_period_revision_statement_2026_11", {"account_id": "a"}),
        ("one_per_number_statement_2026_11", {"number": 1, "statement_id": "A-202611-000001"}),
        ("statement_id_form", {"statement_id": "A-202611-000010"}),
        ("statement_id_form", {"statement_id": "S-202611-000009"}),
        ("total_is_net_and_tax", {"total_minor": 2857}),
        ("connector_statement_adds_up", {"ac_count": 2}),
        (
            "connector_statement_adds_up",
            {"net_minor": 0, "tax_minor": 0, "total_minor": 0, "ac_count": 0, "dc_count": 0},
        ),
        ("tax_rounds_half_up_once", {"tax_minor": 455, "total_minor": 2855}),
        ("statement_kind", {"kind": "invoice", "statement_id": "C-202611-000009"}),
        ("period_form", {"period": "2026-13"}),
        ("correction_names_its_original", {"corrects_statement_id": "A-202611-000001"}),
    ],
)
def test_an_invariant_of_statements_holds_in_the_database(
    fresh: Fresh, constraint: str, changes: dict[str, Any]
) -> None:
    """What must never be is refused by name, whoever writes it; the row itself would be fine."""
    _insert(fresh.admin_url)
    with pytest.raises(psycopg.errors.IntegrityError) as refusal:
        _insert(fresh.admin_url, **changes)
    # A statement's number is also in its id, so a taken number may be refused as a taken id first.
    names = {constraint} | ({"one_per_id_statement_2026_11"} if "number" in constraint else set())
    assert refusal.value.diag.constraint_name in names


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("'other', 'a-1', 1, 'AC', null, 500", "duplicate key"),
        ("'other', 'n', 0, 'AC', null, 500", "billed_connector_is_priced"),
        ("'other', 'n', 1, 'ac', null, 500", "billed_connector_is_priced"),
        ("'other', 'n', 1, 'AC', null, null", "billed_or_excluded"),
        ("'other', 'n', 1, 'AC', 'SCOPE-CLOSED', 500", "billed_or_excluded"),
        ("'a', 'a-1', 1, 'AC', 'SCOPE-CLOSED', null", "duplicate key"),
    ],
)
def test_an_invariant_of_decisions_holds_in_the_database(fresh: Fresh, row: str, said: str) -> None:
    """A connector is billed at most once in a period, decided once per account, and priced just if billed."""
    columns = "period, account_id, charger_id, connector_id, power_type, rule_id, unit_price_minor"
    insert = f"insert into billing.connector_decision ({columns}) values ('2026-11', {row})"
    assert said in refused(fresh.admin_url, insert, psycopg.errors.IntegrityError)
