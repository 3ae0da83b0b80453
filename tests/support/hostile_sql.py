"""SQL of a login that has turned against the warehouse: made from a seed, so that what was found is found again.

Whatever a statement makes runs the canary where it can: a function that stops with `CAUGHT` unless the session's own
login runs it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

# The SQLSTATE with which a canary stops that runs as somebody else.
CAUGHT = "EV666"

_CANARY = f"""begin
    if current_user <> session_user then raise exception 'ran as %', current_user using errcode = '{CAUGHT}'; end if;
    return {{returns}};
end"""
_RETURNS = {"canary": ("bigint", "0"), "canary_trigger": ("trigger", "new")}
_WHERE = ("staging", "staging", "staging", "staging", "pg_temp", "public")
_SCHEMAS = ("staging", "staging", "staging", "public", "billing", "finance", "pg_temp", "mine")
_TYPES = ("bigint", "text", "text[]", "jsonb", "numeric", "timestamptz", "boolean", "integer", "billing.period")
# Names that the owner's functions call without naming pg_catalog.
_BUILT_IN = ("format", "replace", "lpad", "count", "sum", "unnest", "to_regclass", "now", "abs", "round", "max")
_OPERATORS = ("=", "<>", "<", ">", "<=", ">=", "+", "-", "||", "~", "->>", "@>")
_SETTINGS = (
    ("search_path", "staging, pg_temp, billing, public"),
    ("search_path", "pg_temp, pg_catalog"),
    ("standard_conforming_strings", "off"),
    ("transform_null_equals", "on"),
    ("row_security", "off"),
    ("session_replication_role", "replica"),
    ("check_function_bodies", "off"),
    ("default_transaction_isolation", "repeatable read"),
    ("datestyle", "sql, dmy"),
    ("timezone", "Pacific/Kiritimati"),
    ("intervalstyle", "sql_standard"),
    ("extra_float_digits", "-10"),
    ("quote_all_identifiers", "on"),
    ("plpgsql.variable_conflict", "use_column"),
    ("plan_cache_mode", "force_generic_plan"),
    ("role", "evbilling_owner"),
    ("session_authorization", "evbilling_owner"),
    ("lo_compat_privileges", "on"),
    ("local_preload_libraries", "mine"),
    ("event_triggers", "off"),
    ("default_table_access_method", "mine"),
    ("createrole_self_grant", "set, inherit"),
    ("debug_parallel_query", "on"),
)
# What the owner's functions are called with.
_TEXTS = ("2050-01", "A-202611-000001", "stage", "issued", "connector_statements", "issue 2050-01", "x", "charger")
_ARGUMENTS = {
    "text[]": "'{x}'::text[]",
    "integer": "0",
    "integer[]": "'{}'::integer[]",
    "bigint[]": "'{}'::bigint[]",
    "boolean[]": "'{}'::boolean[]",
    "numeric[]": "'{}'::numeric[]",
    "jsonb": "'{}'::jsonb",
    "timestamp with time zone": "now()",
    "date": "current_date",
    "interval": "interval '1 second'",
}
# In place of a staging table: a view, one that can be written to, and tables that run something when they are read or
# written.
_COPY = "create table {table} as select {columns}"
_TRICKS = (
    ("create view {table} as select {columns} from generate_series(1, 1) where {where}.canary() = 0",),
    (
        "create table {table}_0 as select {columns}",
        "create view {table} as select * from {table}_0 where {where}.canary() = 0",
    ),
    (_COPY, "create rule r as on delete to {table} do instead select {where}.canary()"),
    (_COPY, "create trigger t before update on {table} for each row execute function {where}.canary_trigger()"),
    (_COPY, "create policy p on {table} using ({where}.canary() = 0)", "alter table {table} enable row level security"),
    (_COPY, "create index on {table} (({where}.canary()))"),
    ("create table {table} (account_id text, extra bigint generated always as ({where}.canary()) stored)",),
)
_OPENED = ("grant all on {table} to evbilling_owner, public",)
_GUARDED = (
    "alter {kind} {thing} owner to {login}",
    "alter {kind} {thing} set schema staging",
    "alter {kind} {thing} rename to {name}",
    "drop {kind} {thing} cascade",
    "comment on {kind} {thing} is 'mine'",
    "security label on {kind} {thing} is 'mine'",
    "grant all on {kind} {thing} to {login}",
)
_ON_TABLE = (
    "alter table {table} disable trigger all",
    "alter table {table} enable always trigger mine",
    "alter table {table} add column {name} bigint default {canary}",
    "alter table {table} alter column {column} set default {canary}",
    "alter table {table} alter column {column} type text using {canary}::text",
    "alter table {table} add check ({canary} = 0)",
    "alter table {table} enable row level security",
    "alter table {table} no force row level security",
    "alter table {table} replica identity full",
    "alter table {table} attach partition staging.{name} for values in ('2050-01')",
    "alter table staging.{name} inherit {table}",
    "alter table staging.{name} attach partition {table} for values in (0)",
    "create table {scratch} () inherits ({table})",
    "create table {scratch} partition of {table} default",
    "create table {scratch} (like {table} including all)",
    "create trigger {name} before insert or update on {table} for each row execute function {trigger}()",
    "create trigger {name} after truncate on {table} for each statement execute function {trigger}()",
    "create constraint trigger {name} after insert on {table} for each row execute function {trigger}()",
    "create rule {name} as on insert to {table} do also select {canary}",
    'create rule "_RETURN" as on select to {table} do instead select {canary}',
    "create policy {name} on {table} using ({canary} = 0)",
    "create index on {table} (({canary}))",
    "create unique index concurrently on {table} ({column}) where {canary} = 0",
    "create statistics staging.{name} on ({canary}), {column} from {table}",
    "insert into {table} select * from {table}",
    "insert into {table} default values",
    "update {table} set {column} = {column}",
    "delete from {table}",
    "truncate {table} cascade",
    "merge into {table} using (select 1) s on false when not matched then insert default values",
    "copy {table} to stdout",
    "copy (delete from {table} returning *) to stdout",
    "copy {table} from program 'true'",
    "copy {table} to '/tmp/mine'",
    "lock table {table} in access exclusive mode nowait",
    "lock table {table} in share row exclusive mode nowait",
    "select * from {table} for update nowait",
    "declare {name} cursor with hold for select {canary} from {table}",
    "vacuum {table}",
    "analyze {table}",
    "cluster {table}",
    "reindex table {table}",
    "revoke select on {table} from evbilling_writer",
    "grant insert on {table} to finance_reader",
)
_ELSEWHERE = (
    "create view {scratch} as select {canary} as account_id",
    "create or replace view {scratch} with (security_invoker) as select {canary} as account_id",
    "create temporary view {name} as select {canary} as account_id",
    "create recursive view {scratch} (a) as select {canary}",
    "create materialized view {scratch} as select {canary} as account_id",
    "create table {scratch} (account_id text default {canary}::text, run_id bigint)",
    "create unlogged table {scratch} (account_id text check ({canary} = 0))",
    "create temporary table {name} (account_id text generated always as (({canary})::text) stored)",
    "create temporary table {name} as select {canary} as a",
    "select {canary} as a into {scratch}",
    "create table {scratch} partition by hash (({canary}))",
    "create foreign table {scratch} (a text) server mine",
    "create sequence {scratch}",
    "create domain {scratch} as text check ({canary} = 0)",
    "create type {scratch} as enum ('a')",
    "create type {scratch} as (a bigint)",
    "create type {scratch} as range (subtype = bigint, subtype_diff = {trigger})",
    "create type {scratch} (input = {trigger}, output = {trigger})",
    "create type {scratch}",
    "create function {schema}.{built_in}({type}, {type}) returns {type} language sql as 'select null::{type}'",
    "create function {schema}.{built_in}(variadic \"any\") returns bigint language internal as 'int8pl'",
    "create function {scratch}() returns bigint language c as 'mine', 'mine'",
    "create function {scratch}() returns bigint language plpgsql set role = evbilling_owner as '{body}'",
    "create procedure {scratch}() language plpgsql as '{body}'",
    "create or replace function {function} as '{body}' language plpgsql",
    "create aggregate {schema}.{built_in}({type}) (sfunc = {trigger}, stype = {type})",
    "create operator {schema}.{operator} (leftarg = {type}, rightarg = {type}, function = {trigger})",
    "create operator class {scratch} default for type {type} using btree as operator 1 <",
    "create operator family {scratch} using btree",
    "create cast (text as bigint) with function {trigger}(text) as implicit",
    "create cast (bigint as billing.period) with inout as implicit",
    'create collation {scratch} from "C"',
    "create default conversion {scratch} for 'LATIN1' to 'UTF8' from mine",
    "create text search configuration {scratch} (copy = english)",
    "create transform for bigint language sql (from sql with function {trigger}(internal))",
    "create event trigger {name} on ddl_command_end execute function {trigger}()",
    "create schema {name} create view a as select {canary}",
    "create extension {name}",
    "create extension pg_trgm schema staging",
    "create language {name} handler plpgsql_call_handler",
    "create access method {name} type index handler {trigger}",
    "create foreign data wrapper {name}",
    "create server {name} foreign data wrapper mine",
    "create publication {name} for all tables",
    "create subscription {name} connection '' publication mine with (connect = false)",
    "create database {name}",
    "create tablespace {name} location '/tmp'",
    "create role {name} in role evbilling_owner",
    "create user mapping for current_user server mine",
    "import foreign schema mine from server mine into staging",
    "alter default privileges in schema {schema} grant all on tables to {login}",
    "alter default privileges for role evbilling_owner grant execute on functions to {login}",
    "alter role evbilling_owner login password 'x'",
    "alter role evbilling_writer superuser createrole bypassrls",
    "alter role evbilling_owner set search_path = staging",
    "alter database {database} set search_path = staging",
    "alter system set search_path = 'staging'",
    "alter schema {schema} owner to evbilling_writer",
    "alter large object 1 owner to evbilling_owner",
    "drop schema {schema} cascade",
    "drop owned by evbilling_owner cascade",
    "reassign owned by evbilling_owner to evbilling_writer",
    "grant evbilling_owner to evbilling_writer",
    "grant evbilling_writer to evbilling_owner with admin option",
    "grant create on schema {schema} to evbilling_writer",
    "grant all on database {database} to evbilling_writer",
    "grant set on parameter session_replication_role to evbilling_writer",
    "set role {login}",
    "set session authorization {login}",
    "reset role",
    "reset session authorization",
    "set {setting} = {value}",
    "select set_config('{setting}', '{value}', false)",
    "alter role evbilling_writer set {setting} = {value}",
    "reset all",
    "discard all",
    "load '{name}'",
    "checkpoint",
    "notify {name}, 'x'",
    "listen {name}",
    "unlisten *",
    "prepare transaction '{name}'",
    "prepare {name} as select {canary}",
    "execute {name}",
    "deallocate all",
    "select {canary}",
    "call {schema}.{name}()",
    "do $do$ begin perform {canary}; end $do$",
    "do $do$ begin set local role evbilling_owner; perform {canary}; end $do$",
    "explain (analyze) select {canary}",
    "select query_to_xml('select {canary}', true, true, '')",
    "select lo_create({number})",
    "select lo_from_bytea(0, decode(repeat('00', 100), 'hex'))",
    "select lo_put({number}, 0, 'x')",
    "select lo_import('/etc/passwd')",
    "select pg_read_file('/etc/passwd')",
    "select pg_advisory_lock({number})",
    "select pg_notify('x', 'y')",
    "select nextval('{sequence}')",
    "select setval('{sequence}', 1)",
    "select currval('{sequence}')",
    "select pg_restore_relation_stats('schemaname', 'billing', 'relname', 'run', 'reltuples', 1::real)",
    "update pg_catalog.pg_proc set proowner = 10",
    "insert into pg_catalog.pg_auth_members select * from pg_catalog.pg_auth_members",
    "delete from pg_catalog.pg_depend",
)


@dataclass(frozen=True)
class Function:
    """An owner's function that the writer may call. `suffixes` end the names of staging tables in its text."""

    name: str
    signature: str
    argument_types: Sequence[str]
    suffixes: Sequence[str]
    # Itself or by what it calls.
    uses_staging: bool


@dataclass(frozen=True)
class Seen:
    """What a hostile login finds in the catalogue."""

    tables: Sequence[tuple[str, list[str]]]
    sequences: Sequence[str]
    functions: Sequence[Function]
    # Of the tables of a run that is staged: the name without the run's number, and a select list of their columns.
    staged: Sequence[tuple[str, str]]
    database: str


def look_around(connection: psycopg.Connection[Any], run_id: int) -> Seen:
    """Read the catalogue; `run_id` is a run whose tables are staged."""
    tables = connection.execute(
        """select c.oid::regclass::text, array_agg(quote_ident(attname) order by attnum)
           from pg_class c join pg_attribute a on a.attrelid = c.oid and attnum > 0 and not attisdropped
           where relnamespace::regnamespace::text in ('billing', 'finance', 'staging') and relkind in ('r', 'p', 'v')
           group by 1 order by 1"""
    ).fetchall()
    functions = connection.execute(
        """select proname, oid::regprocedure::text, array(select format_type(t, null) from unnest(proargtypes) t),
                  prosrc, has_function_privilege('evbilling_writer', oid, 'execute')
           from pg_proc where pronamespace = 'billing'::regnamespace and prosecdef and prorettype <> 'trigger'::regtype
           order by 2"""
    ).fetchall()
    texts = {name: text for name, _, _, text, _ in functions}
    staged = connection.execute(
        """select regexp_replace(relname, '_[0-9]+', '_%%s'), string_agg(format('null::%%s as %%I',
                      format_type(atttypid, atttypmod), attname), ', ' order by attnum)
           from pg_class c join pg_attribute a on a.attrelid = c.oid and attnum > 0 and not attisdropped
           where relnamespace = 'staging'::regnamespace and relkind in ('r', 'p') and relname ~ ('_' || %s || '(_|$)')
             and relname !~ 'shard' group by c.oid order by 1""",
        (run_id,),
    ).fetchall()
    ((database,),) = connection.execute("select quote_ident(current_database())").fetchall()
    sequences = connection.execute(
        """select oid::regclass::text from pg_class where relnamespace = 'billing'::regnamespace and relkind = 'S'
           order by 1"""
    ).fetchall()
    return Seen(
        tables,
        [name for (name,) in sequences],
        [
            Function(name, signature, types, sorted(set(re.findall(r"'(_[a-z]+)'", text))), _uses_staging(name, texts))
            for name, signature, types, text, may_call in functions
            if may_call
        ],
        staged,
        database,
    )


def _uses_staging(name: str, texts: dict[str, str]) -> bool:
    reached, waiting = {name}, [name]
    while waiting:
        text = texts[waiting.pop()]
        if "staging" in text:
            return True
        called = {found for found in re.findall(r"billing\.(\w+)\(", text) if found in texts} - reached
        reached |= called
        waiting += called
    return False


@dataclass
class Hostile:
    """Statements of one seed, one after the other."""

    seen: Seen
    seed: int
    _random: random.Random = field(init=False)
    _number: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # ruff: ignore[suspicious-non-cryptographic-random-usage]

    def statements(self, count: int) -> Iterator[str]:
        """So many statements of all kinds."""
        for _ in range(count):
            yield self.statement()

    def statement(self) -> str:
        """One statement, most of which a login without rights is refused."""
        draw = self._random.random
        if draw() < 0.1:
            return self._canary_function(self._random.choice(_SCHEMAS), self._random.choice(sorted(_RETURNS)))
        if draw() < 0.35:
            return self._filled(self._random.choice(_ON_TABLE))
        if draw() < 0.2:
            thing = self._random.choice([("table", "{table}"), ("function", "{function}"), ("schema", "{schema}")])
            template = self._random.choice(_GUARDED)
            return self._filled(re.sub(r"\{kind\} \{thing\}", " ".join(thing), template))
        return self._filled(self._random.choice(_ELSEWHERE))

    def canaries(self) -> Iterator[str]:
        """The canary and its trigger, in every schema."""
        for schema in sorted(set(_SCHEMAS)):
            for name in _RETURNS:
                yield self._canary_function(schema, name)

    def attack(self, function: Function, run_id: int, epoch: int) -> tuple[list[str], str]:
        """The trick that made the owner's functions run foreign code, and a call of this one.

        The trick takes the place of the tables of the run that the function's text names, or that any function stages.
        """
        tricks: list[str] = []
        if function.uses_staging:
            trick, where = self._random.choice(_TRICKS), self._random.choice(_WHERE)
            for name, columns in [*self.seen.staged, *self._unknown(function.suffixes)]:
                # Not all at once: what is there already, the function doesn't make itself.
                if self._random.random() < 0.9:
                    values = {"table": f"staging.{name % run_id}", "columns": columns, "where": where}
                    tricks += [statement.format(**values) for statement in (*trick, *_OPENED)]
        numbers = iter([str(run_id)])
        arguments = [self._argument(kind, numbers, epoch) for kind in function.argument_types]
        return tricks, f"select billing.{function.name}({', '.join(arguments)})"

    def _unknown(self, suffixes: Sequence[str]) -> list[tuple[str, str]]:
        known = {name for name, _ in self.seen.staged}
        names = {f"{prefix}_%s{suffix}" for prefix in ("run", "account_run") for suffix in ("", *suffixes)}
        return [(name, "null::text as account_id") for name in sorted(names - known)]

    def _argument(self, kind: str, numbers: Iterator[str], epoch: int) -> str:
        if self._random.random() < 0.03:
            return f"null::{kind}"
        if kind == "bigint":
            return next(numbers, None) or self._random.choice([str(epoch), str(epoch), "1", "0"])
        if kind == "text":
            return f"'{self._random.choice(_TEXTS)}'"
        return _ARGUMENTS.get(kind, f"null::{kind}")

    def _canary(self) -> str:
        return f"{self._random.choice(_WHERE)}.canary()"

    def _trigger(self) -> str:
        return f"{self._random.choice(_WHERE)}.canary_trigger"

    def _canary_function(self, schema: str, name: str) -> str:
        returns, value = _RETURNS[name]
        return (
            f"create or replace function {schema}.{name}() returns {returns} language plpgsql immutable as "
            f"$f$ {_CANARY.format(returns=value)} $f$"
        )

    def _filled(self, template: str) -> str:
        self._number += 1
        pick = self._random.choice
        table, columns = pick(self.seen.tables)
        setting, value = pick(_SETTINGS)
        values = {
            "table": table,
            "column": pick(columns),
            "function": pick(self.seen.functions).signature,
            "sequence": pick(self.seen.sequences),
            "schema": pick(_SCHEMAS),
            "name": f"mine_{self._number}",
            "scratch": f"{pick(_SCHEMAS)}.mine_{self._number}",
            "login": pick(("evbilling_writer", "evbilling_owner", "finance_reader", "public", "postgres")),
            "canary": self._canary(),
            "trigger": self._trigger(),
            "body": _CANARY.format(returns="null").replace("'", "''"),
            "built_in": pick(_BUILT_IN),
            "operator": pick(_OPERATORS),
            "type": pick(_TYPES),
            "setting": setting,
            "value": value,
            "number": str(self._random.randrange(1, 1000)),
            "database": self.seen.database,
        }
        return re.sub(r"\{(\w+)\}", lambda found: values[found[1]], template)
