"""The writer turned against the warehouse: thousands of statements from a seed, and no code of it runs as the owner.

What a statement is refused for doesn't matter. Afterwards the catalogue is what it was, and the books are even.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from evbilling.warehouse import migrate
from tests.support.hostile_sql import CAUGHT, Hostile, look_around
from tests.support.month import rows, stage
from tests.support.payments import VISA, PaymentWorld, check_books, payment_world
from tests.support.postgres import PostgresServer

pytestmark = [pytest.mark.postgres, pytest.mark.usefixtures("new_sessions")]

# Everything in the catalogue that says whose code runs as whom, without the tables of runs and months.
_CATALOGUE = """
select 'relation', c.oid::regclass::text, relowner::regrole::text, relkind::text, concat_ws(' ', relacl, reloptions,
       relrowsecurity, relhasrules, (select string_agg(tgname || tgenabled::text, ' ' order by tgname) from pg_trigger t
                                     where tgrelid = c.oid and not tgisinternal))
from pg_class c
where relnamespace::regnamespace::text in ('billing', 'finance', 'public') and not relispartition
  and relkind in ('r', 'p', 'v')
union all
select 'function', oid::regprocedure::text, proowner::regrole::text, prosecdef::text,
       concat_ws(' ', proacl, proconfig, md5(prosrc))
from pg_proc where pronamespace <> 'pg_catalog'::regnamespace
union all
select 'type', oid::regtype::text, typowner::regrole::text, typtype::text, typacl::text from pg_type
where typnamespace::regnamespace::text in ('billing', 'finance', 'public', 'staging') and typtype <> 'c'
  and typcategory <> 'A'
union all
select 'schema', nspname, nspowner::regrole::text, '', nspacl::text from pg_namespace
where nspname !~ '^pg_(toast_)?temp'
union all
select 'role', rolname, '', rolsuper::text, concat_ws(' ', rolcreaterole, rolbypassrls, rolcanlogin, rolreplication)
from pg_roles
union all
select 'member', member::regrole::text, roleid::regrole::text, '', '' from pg_auth_members
union all
select 'database', datname, datdba::regrole::text, '', datacl::text from pg_database where datname = current_database()
union all
select 'other', kind, number::text, '', '' from (
    select 'casts' as kind, count(*) as number from pg_cast
    union all select 'operators', count(*) from pg_operator
    union all select 'default rights of others', count(*) from pg_default_acl
              where defaclrole <> 'evbilling_writer'::regrole
    union all select 'event triggers', count(*) from pg_event_trigger
    union all select 'policies', count(*) from pg_policy
    union all select 'rules', count(*) from pg_rewrite
    union all select 'extensions', count(*) from pg_extension
    union all select 'languages', count(*) from pg_language
    union all select 'large objects', count(*) from pg_largeobject_metadata) counted
order by 1, 2, 3, 4, 5
"""
_NOT_THE_OWNERS = """
select c.oid::regclass::text from pg_class c
where relnamespace::regnamespace::text in ('billing', 'finance', 'staging') and relowner <> 'evbilling_owner'::regrole
"""

_DROP_THE_WRITERS = """
do $$ declare r record; begin
    for r in select oid::regclass as name, relkind from pg_class
             where relnamespace = 'staging'::regnamespace and relowner = 'evbilling_writer'::regrole
               and relkind in ('r', 'p', 'v', 'm', 'S')
             -- The sequence of an identity column goes with its table, and not without it.
             order by relkind = 'S' loop
        if exists (select from pg_class where oid = r.name) then
            execute format('drop %s %s cascade', case r.relkind when 'v' then 'view' when 'm' then 'materialized view'
                when 'S' then 'sequence' else 'table' end, r.name);
        end if;
    end loop;
end $$
"""


@pytest.fixture(scope="module")
def world(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaymentWorld]:
    """Six statements, most of them paid."""
    with payment_world(postgres, tmp_path_factory.mktemp("hostile"), 6, methods=[VISA]) as world:
        world.charge()
        # What it sets on the database itself isn't in a copy.
        migrate(world.admin_url)
        yield world


def _attack(world: PaymentWorld, least: int, seed: int = 13) -> list[str]:
    """As the writer: each of the owner's functions once, with statements between, until so many are done.

    Returns what ran as somebody else.
    """
    caught: list[str] = []
    staged_run, *_ = stage(world.services, "2026-12", shard_rows=10)
    with psycopg.connect(world.services.warehouse_url, autocommit=True, prepare_threshold=None) as connection:
        for step in ("open_account_stage", "stage_charges", "stage_figures"):
            connection.execute(f"select billing.{step}(%s)".encode(), (staged_run,))
        hostile = Hostile(look_around(connection, staged_run), seed)

        def do(statement: str) -> None:
            try:
                if "to stdout" in statement:
                    with connection.cursor().copy(statement.encode()) as copy:
                        list(copy)
                else:
                    connection.execute(statement.encode())
            except psycopg.Error as error:
                if error.sqlstate == CAUGHT:
                    caught.append(f"{error}: {statement}")

        done = 0
        while done < least:
            for function in hostile.seen.functions:
                tricks, call = hostile.attack(function, *_open_run(connection))
                statements = [*hostile.canaries(), *hostile.statements(10), *tricks, *_BACK, call]
                for statement in statements:
                    do(statement)
                for statement in _BACK:
                    do(statement)
                done += len(statements)
    with psycopg.connect(world.admin_url) as connection:
        connection.execute("alter role evbilling_writer reset all")
    return caught


# The state in which a call of the product's would be.
_BACK = ("rollback", "reset all", "reset session authorization", "set lock_timeout = '1s'")


def _open_run(connection: psycopg.Connection[Any]) -> tuple[int, int]:
    """A run of its own and the epoch of the fences that its publishing holds."""
    ((run_id, epoch, _),) = connection.execute(
        """select billing.open_run('connector_statements', 'x', '2050-01', 'eve', 'x', 'auto'),
                  billing.raise_fence('issue 2050-01'), billing.raise_fence('account statements')"""
    )
    return run_id, epoch


def test_no_code_of_the_writer_runs_as_the_owner(world: PaymentWorld, full: bool) -> None:
    """Thousands of statements, and before each call of an owner's function objects in place of what it reads."""
    before = world.rows(_CATALOGUE)
    money = world.rows("select t::text from billing.transfer t order by 1")
    assert _attack(world, 10_000 if full else 1) == []
    assert world.rows(_NOT_THE_OWNERS) == []
    assert world.rows(_CATALOGUE) == before
    assert world.rows("select t::text from billing.transfer t order by 1") == money
    check_books(world)


def test_an_open_door_is_found(world: PaymentWorld) -> None:
    """With the right to make objects in staging, the same statements do run code as the owner."""
    with psycopg.connect(world.admin_url) as connection:
        connection.execute("grant create on schema staging to evbilling_writer")
    try:
        assert any("evbilling_owner" in found for seed in range(10) for found in _attack_and_leave(world, seed))
    finally:
        with psycopg.connect(world.admin_url) as connection:
            connection.execute("revoke create on schema staging from evbilling_writer")


def _attack_and_leave(world: PaymentWorld, seed: int) -> list[str]:
    """One attack; what the writer has made in staging, over which the next month there would stumble, is dropped."""
    found = _attack(world, 1, seed)
    with psycopg.connect(world.admin_url) as connection:
        connection.execute(_DROP_THE_WRITERS)
    return found


def test_the_trick_that_made_the_writer_owner(world: PaymentWorld) -> None:
    """A view of its own under the name of a staging table, whose function runs as whoever reads it: can't be made."""
    with psycopg.connect(world.services.warehouse_url) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="schema staging"):
            connection.execute("create view staging.run_99_statement as select 1 as account_id")
        connection.rollback()
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="temporary"):
            connection.execute("create temporary view run_99_statement as select 1 as account_id")


def test_what_the_writer_had_made_in_staging_goes_with_the_upgrade(warehouse_db: Any) -> None:
    """Views, functions, operators and types of before are dropped; what the owner made stays."""
    with psycopg.connect(warehouse_db.admin_url) as connection:
        connection.execute(
            """update public.schema_version set version_num = '0017';
               grant create on schema staging to evbilling_writer;
               set role evbilling_owner;
               create table staging.run_7 (a bigint);
               reset role;
               set role evbilling_writer;
               create function staging.evil(bigint, bigint) returns boolean language sql return true;
               create view staging.run_7_statement as select staging.evil(1, 1);
               create table staging.account_run_7 (a text);
               create table staging.account_run_7_item (a bigint check (staging.evil(a, a)));
               create operator staging.= (leftarg = bigint, rightarg = bigint, function = staging.evil);
               create type staging.mood as enum ('evil');
               create type staging.pair as (a bigint, b staging.mood);
               create domain staging.short as text check (length(value) < 3);
               create sequence staging.counter;
               create statistics staging.both on a, (a || 'x') from staging.account_run_7;
               create materialized view staging.kept as select 1 as a;
               reset role;
               alter table billing.audit_event drop column login cascade, drop column application cascade;
               drop trigger audit_event_is_stamped on billing.audit_event"""
        )
    migrate(warehouse_db.admin_url)
    left = rows(
        warehouse_db.admin_url,
        """select i.identity from pg_depend d cross join lateral pg_identify_object(d.classid, d.objid, 0) i
           where d.refclassid = 'pg_namespace'::regclass and d.refobjid = 'staging'::regnamespace""",
    )
    assert left == [("staging.run_7",)]
    assert rows(warehouse_db.admin_url, _NOT_THE_OWNERS) == []
    may = "select has_schema_privilege('evbilling_writer', 'staging', 'create')"
    assert rows(warehouse_db.admin_url, may) == [(False,)]
