"""The ledger holds against everybody: postings at issue, and what no role can do to the money by any SQL."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evbilling.services import Services
from evbilling_local.stack import EmbeddedPostgres
from tests.support.month import NOW, Platform, bill, rows, settle_terms, terms
from tests.support.payments import SOFT, VISA, PaymentWorld, check_books, check_collected_once, payment_world

pytestmark = pytest.mark.postgres

WRITER_OWNS_NONE = (
    "transfer",
    "payment_attempt",
    "paid_outside",
    "paid_outside_reversal",
    "statement",
    "ledger_account",
    "installation",
)
RECORD = "select * from billing.record_outcomes({})"
OPEN = "select * from billing.open_attempts({})"
MARK = "select * from billing.record_paid_outside({})"
UNDO = "select * from billing.reverse_paid_outside({})"


@pytest.fixture(scope="module")
def world(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaymentWorld]:
    """Ten statements: paid, declined, partly paid, unpaid, one with a pending attempt, one with an unknown one."""
    with payment_world(postgres, tmp_path_factory.mktemp("ledger"), 10, methods=[VISA, SOFT]) as world:
        world.write(_open("first", world.ids[8], world.ids[9]))
        world.write("select billing.claim_attempts('first', 1, interval '1 minute')")
        nothing = "'{null}'"
        answer = f"array[1::bigint], '{{unknown}}', '{{pi_u}}', {nothing}, {nothing}, {nothing}, {nothing}"
        world.write(f"select billing.record_outcomes({answer})")
        world.charge(lease_seconds=0.1)
        world.write(MARK.format(f"'m', '{world.ids[1]}', 100, 'EUR', '2026-11-05', 'ref', 'ann', 'by bank'"))
        world.write(MARK.format(f"'w', '{world.ids[5]}', null, 'EUR', '2026-11-05', 'ref', 'ann', 'by bank'"))
        world.write(UNDO.format(f"'u', '{world.ids[5]}', null, 'ann', 'of another customer'"))
        yield world


def _open(name: str, *ids: str, **changes: str) -> str:
    many = len(ids)
    parts = {
        "trigger": "'issue'",
        "occasion": f"'{name}'",
        "batch": f"'{name}'",
        "actor": "'x'",
        "reason": "'x'",
        "cap": "15",
        "ids": _texts(ids),
        "customers": _texts(["cus_1"] * many),
        "methods": _texts([VISA] * many),
        "steps": f"array{[1] * many}",
    }
    return OPEN.format(", ".join((parts | changes).values()))


def _texts(values: Any) -> str:
    return f"array{[str(value) for value in values]}::text[]"


def _record(attempts: str, outcomes: str, ids: str, codes: str = "'{null}'", classes: str = "'{null}'") -> str:
    return RECORD.format(f"{attempts}, {outcomes}, {ids}, {codes}, '{{null}}', {classes}, '{{null}}'")


def _frozen(world: PaymentWorld) -> dict[str, Any]:
    """All that no writer may change once it is there."""
    return {table: world.rows(f"select t::text from billing.{table} t order by 1") for table in WRITER_OWNS_NONE}


def _settled(world: PaymentWorld) -> list[Any]:
    query = "select a::text from billing.payment_attempt a where outcome in ('succeeded', 'declined') order by 1"
    return world.rows(query)


# ---- Issue


def test_a_statement_posts_itself(world: PaymentWorld) -> None:
    """Net to revenue and tax to tax, each once, in the statement's currency, against what the admin owes."""
    found = world.rows(
        """select statement_id, kind, debit_account, credit_account, amount_minor, currency from billing.transfer
           where kind in ('issue', 'tax') order by statement_id, kind"""
    )
    expected = world.rows(
        """select statement_id, k, 'receivable', case k when 'issue' then 'revenue' else 'tax' end,
                  case k when 'issue' then net_minor else tax_minor end, currency
           from billing.statement, unnest(array['issue', 'tax']) k order by 1, 2"""
    )
    assert found == expected
    assert len(found) == 20


def test_a_statement_without_tax_posts_its_net_alone(platform_db: str, warehouse_db: Any, tmp_path: Path) -> None:
    """No transfer of nothing."""
    platform = Platform(platform_db)
    platform.plain_account("a")
    platform.save()
    settle_terms(warehouse_db.writer_url, terms("a", tax_rate=0))
    bill(Services(platform_db, warehouse_db.writer_url, str(tmp_path)))
    query = "select kind, amount_minor from billing.transfer"
    assert rows(warehouse_db.admin_url, query) == [("issue", 500)]


# ---- What the writer can't do


DIRECT = [
    *(f"insert into billing.{table} select * from billing.{table}" for table in WRITER_OWNS_NONE),
    *(
        f"update billing.{table} set {column} = {column}"
        for table, column in [
            ("transfer", "amount_minor"),
            ("payment_attempt", "outcome"),
            ("payment_attempt", "sent_at"),
            ("paid_outside", "amount_minor"),
            ("paid_outside_reversal", "reason"),
            ("statement", "total_minor"),
            ("ledger_account", "says"),
            ("installation", "installation_id"),
            ("gateway_pace", "next_turn"),
        ]
    ),
    *(
        f"delete from billing.{table}"
        for table in (*WRITER_OWNS_NONE, "payment_plan", "payment_break", "gateway_payment")
    ),
    *(f"truncate billing.{table} cascade" for table in (*WRITER_OWNS_NONE, "payment_plan")),
    *(f"alter table billing.{table} disable trigger all" for table in WRITER_OWNS_NONE),
    *(f"drop table billing.{table} cascade" for table in WRITER_OWNS_NONE),
    "merge into billing.transfer t using (select 1) s on false when not matched then insert default values",
    "copy billing.transfer from stdin",
    "insert into billing.receivable default values",
    "update finance.statements set status = 'Paid'",
    "alter table billing.transfer drop constraint transfer_amount_above_zero",
    "create trigger mine before insert on billing.transfer for each row execute function billing.refuse_change()",
    "create rule mine as on insert to billing.transfer do instead nothing",
    "create policy mine on billing.transfer using (true)",
    "alter function billing.balance_minor(text) rename to mine",
    "create or replace function billing.balance_minor(p text) returns bigint language sql return 0",
    "drop trigger payment_is_within_the_balance on billing.transfer",
    "lock table billing.transfer in access exclusive mode",
    "set role evbilling_owner",
    "set session authorization postgres",
    "set session_replication_role = replica",
    "create schema billing2",
    "alter role evbilling_writer superuser",
    *(
        f"select billing.{call}"
        for call in [
            "post_issued()",
            "refuse_overpayment()",
            "lock_statements(array['x'])",
            "plan_later(array['x'], 'x')",
            "refuse_correction_under_way()",
            "refuse_change_of_attempt()",
            "refuse_other_reversal()",
        ]
    ),
]


@pytest.mark.parametrize("statement", DIRECT, ids=[f"{n}-{text[:40]}" for n, text in enumerate(DIRECT)])
def test_the_writer_has_no_way_around_the_functions(world: PaymentWorld, statement: str) -> None:
    """Refused for want of rights, or because no such thing can be done; never done."""
    before = _frozen(world)
    with pytest.raises(psycopg.Error):
        world.write(statement)
    assert _frozen(world) == before


def _hostile_calls(world: PaymentWorld) -> list[str]:
    paid, refused, unpaid = world.ids[0], world.ids[1], world.ids[3]
    (first,) = world.rows("select min(attempt_id) from billing.payment_attempt where outcome = 'succeeded'")[0]
    waiting, unknown, undone = 2, 1, world.ids[5]
    ((standing,), (payment,)) = world.rows("select paid_outside_id from billing.paid_outside order by 1")
    mark = "'{}', '{}', {}, '{}', '2026-11-05', 'ref', 'ann', 'why'"
    return [
        # Attempts: what was asked for is the balance, whatever is said, and there is one open at a time.
        _open("twice", unpaid, unpaid),
        _open("paid", paid),
        _open("nowhere", "A-000000-000000"),
        _open("under way", world.ids[8], world.ids[9]),
        _open("trigger", unpaid, trigger="'refund'"),
        _open("no occasion", unpaid, occasion="null"),
        _open("no batch", unpaid, batch="null"),
        _open("no actor", unpaid, actor="''"),
        _open("no reason", unpaid, trigger="'rebill'", reason="null"),
        _open("no cap", unpaid, cap="null"),
        _open("cap", unpaid, cap="-1"),
        _open("short", unpaid, steps="'{}'"),
        _open("short", unpaid, customers="null"),
        _open("short", unpaid, methods="array['a', 'b']"),
        _open("none", unpaid, ids="null"),
        _open("null", unpaid, ids="array[null]::text[]"),
        _open("empty", unpaid, ids="'{}'"),
        _open("many", unpaid, ids=f"array[array['{unpaid}'], array['{paid}']]"),
        "select billing.claim_attempts(null, null, null)",
        "select billing.claim_attempts('first', -1, interval '1 second')",
        # Outcomes: settled once, one answer for each attempt.
        _record(f"array[{first}]", "'{declined}'", "'{null}'", "'{generic_decline}'", "'{soft}'"),
        _record(f"array[{first}]", "'{pending}'", "'{null}'"),
        _record(f"array[{waiting}]", "'{pending}'", "'{pi_x}'"),
        _record(f"array[{waiting}]", "'{refunded}'", "'{pi_x}'"),
        _record(f"array[{waiting}]", "'{null}'", "'{pi_x}'"),
        _record(f"array[{waiting}]", "'{succeeded}'", "'{null}'"),
        _record(f"array[{waiting}]", "'{declined}'", "'{null}'"),
        _record(f"array[{waiting}, {waiting}]", "'{succeeded, declined}'", "'{pi_x, pi_x}'"),
        _record(f"array[{waiting}, {waiting}]", "'{succeeded, succeeded}'", "'{pi_x, pi_y}'"),
        RECORD.format(
            f"array[{waiting}, {waiting}], '{{succeeded, declined}}', '{{pi_x, pi_y}}', '{{null, a}}', "
            "'{null, null}', '{null, soft}', '{null, null}'"
        ),
        RECORD.format(
            f"array[{waiting}, {unknown}], '{{succeeded, succeeded}}', '{{pi_x, pi_x}}', '{{null, null}}', "
            "'{null, null}', '{null, null}', '{null, null}'"
        ),
        _record(f"array[{waiting}]", "(select array_agg(outcome) from billing.payment_attempt)", "'{pi_x}'"),
        _record("null", "null", "null"),
        _record("array[null::bigint]", "'{succeeded}'", "'{pi_x}'"),
        _record("'{}'", "'{}'", "'{}'", "'{}'", "'{}'"),
        _record(
            f"array[{waiting}]",
            "'{succeeded}'",
            f"array[(select gateway_payment_id from billing.payment_attempt where attempt_id = {first})]",
        ),
        # Payments outside: above zero, of what is due, once.
        *(
            MARK.format(mark.format(*values))
            for values in [
                ("n1", unpaid, -1, "EUR"),
                ("n2", unpaid, 0, "EUR"),
                ("n3", unpaid, 10**15, "EUR"),
                ("n4", unpaid, 1, "USD"),
                ("n5", unpaid, 1, "eur"),
                ("n6", paid, 1, "EUR"),
                ("n7", paid, "null", "EUR"),
                ("n8", "A-000000-000000", 1, "EUR"),
                ("n9", world.ids[8], 1, "EUR"),
                ("n10", world.ids[9], 1, "EUR"),
                ("m", unpaid, 100, "EUR"),
                ("m", refused, 99, "EUR"),
                ("m", refused, 100, "EUR"),
            ]
        ),
        MARK.format(f"'n11', '{unpaid}', 1, null, '2026-11-05', 'ref', 'ann', 'why'"),
        MARK.format(f"null, '{unpaid}', 1, 'EUR', '2026-11-05', 'ref', 'ann', 'why'"),
        MARK.format(f"'n12', '{unpaid}', 1, 'EUR', null, 'ref', 'ann', 'why'"),
        MARK.format(f"'n13', '{unpaid}', 1, 'EUR', '2026-11-05', '', 'ann', 'why'"),
        MARK.format(f"'n14', '{unpaid}', 1, 'EUR', '2026-11-05', 'ref', '', 'why'"),
        MARK.format(f"'n15', '{unpaid}', 1, 'EUR', '2026-11-05', 'ref', 'ann', ''"),
        # Undos: of a payment of that statement that stands, once, with a reason; here the only one is undone already.
        *(
            UNDO.format(values)
            for values in [
                f"'u1', '{undone}', null, 'ann', 'why'",
                f"'u2', '{undone}', {payment}, 'ann', 'why'",
                f"'u3', '{unpaid}', {payment}, 'ann', 'why'",
                f"'u4', '{unpaid}', null, 'ann', 'why'",
                f"'u5', '{paid}', null, 'ann', 'why'",
                "'u6', 'A-000000-000000', null, 'ann', 'why'",
                f"'u', '{unpaid}', null, 'ann', 'why'",
                f"'u', '{undone}', {payment + 1}, 'ann', 'why'",
                f"'u', '{refused}', {standing}, 'ann', 'why'",
                f"'u7', '{undone}', {standing}, 'ann', 'why'",
                f"null, '{refused}', {standing}, 'ann', 'why'",
                f"'u8', '{refused}', {standing}, '', 'why'",
                f"'u9', '{refused}', {standing}, 'ann', ''",
                f"'u10', '{refused}', {standing}, 'ann', null",
                f"'u11', '{refused}', {standing}, null, 'why'",
                "'u12', null, null, 'ann', 'why'",
                f"'u', '{undone}', {payment}, 'eve', 'the same again'",
            ]
        ),
        # Turns: nobody can stop the others for long.
        *(
            f"select billing.take_turns('g', {turns}, {rate})"
            for turns, rate in [
                (0, 1),
                (-1, 1),
                (1, 0),
                (1, -1),
                (1, "'nan'"),
                (1, "'infinity'"),
                (2_000_000_000, 1),
                ("null", 1),
            ]
        ),
    ]


SHADOWS = [
    "create function staging.balance_minor(text) returns bigint language sql return 1000000",
    "create function staging.clock_timestamp() returns timestamptz language sql return '2000-01-01'::timestamptz",
    "create function staging.greatest_step(int, int) returns int language sql return 1",
    "create function staging.eq(text, text) returns boolean language sql return true",
    "create function staging.le(bigint, integer) returns boolean language sql return false",
    "create function staging.lt(bigint, bigint) returns boolean language sql return false",
    "create function staging.gt(bigint, bigint) returns boolean language sql return false",
    "create operator staging.= (leftarg = text, rightarg = text, function = staging.eq)",
    "create operator staging.<= (leftarg = bigint, rightarg = integer, function = staging.le)",
    "create operator staging.< (leftarg = bigint, rightarg = bigint, function = staging.lt)",
    "create operator staging.> (leftarg = bigint, rightarg = bigint, function = staging.gt)",
    "create table staging.statement (statement_id text)",
    "create table staging.transfer (statement_id text, debit_account text, amount_minor bigint)",
    "create temp table issued (kind text)",
    "create temp table payment_attempt (attempt_id bigint, outcome text)",
    "create temp table unnest (a text)",
    "create aggregate staging.sum (bigint) (sfunc = pg_catalog.int8pl, stype = bigint, initcond = '1000000')",
]


@pytest.mark.parametrize("path", ["", "staging, pg_catalog", "pg_temp, staging, billing, pg_catalog"])
def test_no_call_of_a_granted_function_unbalances_anything(world: PaymentWorld, path: str) -> None:
    """Every function that the writer may call, with hostile arguments, also where its own objects shadow names."""
    before, settled = _frozen(world), _settled(world)
    before_amounts = world.rows("select statement_id, balance_minor from billing.receivable order by 1")
    refused = 0
    with _shadowed(world, path) as connection:
        for statement in _hostile_calls(world):
            try:
                connection.execute(statement)
            except psycopg.Error:
                refused += 1
    assert refused > 30
    assert _settled(world) == settled
    after = _frozen(world)
    # Of all that, one thing is no one's loss: an open attempt may be claimed.
    assert {name for name in after if after[name] != before[name]} <= {"payment_attempt"}
    assert world.rows("select statement_id, balance_minor from billing.receivable order by 1") == before_amounts
    check_books(world)


@contextmanager
def _shadowed(world: PaymentWorld, path: str) -> Generator[psycopg.Connection[Any]]:
    """A writer's session that finds objects of its own, if it looks along `path`, before those that are meant.

    As if somebody had given it the right to make any.
    """
    with psycopg.connect(world.services.warehouse_url, autocommit=True) as connection:
        if not path:
            yield connection
            return
        with psycopg.connect(world.admin_url) as admin:
            admin.execute("grant create on schema staging to evbilling_writer")
            admin.execute(f"grant temporary on database {admin.info.dbname} to evbilling_writer".encode())
        for statement in SHADOWS:
            connection.execute(statement)
        try:
            connection.execute(f"set search_path = {path}")
            yield connection
        finally:
            connection.execute("set search_path = pg_catalog")
            drops = connection.execute(
                """select format('drop operator %s (%s, %s)', oid::regoper, oprleft::regtype, oprright::regtype)
                   from pg_operator where oprnamespace = 'staging'::regnamespace
                   union all select format('drop routine %s cascade', oid::regprocedure)
                   from pg_proc where pronamespace = 'staging'::regnamespace
                   union all values ('drop table staging.statement, staging.transfer')"""
            )
            for (drop,) in drops.fetchall():
                connection.execute(drop)
            with psycopg.connect(world.admin_url) as admin:
                admin.execute("revoke create on schema staging from evbilling_writer")
                admin.execute(f"revoke temporary on database {admin.info.dbname} from evbilling_writer".encode())


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
@pytest.mark.parametrize("first", [MARK, OPEN])
def test_a_snapshot_of_the_past_moves_no_money(world: PaymentWorld, level: str, first: str) -> None:
    """A transaction that still sees a balance which is gone by now is refused, whichever function it calls."""
    unpaid = _unpaid(world)
    mark = MARK.format(f"'{{}}', '{unpaid}', 100, 'EUR', '2026-11-05', 'ref', 'ann', 'why'")
    with psycopg.connect(world.services.warehouse_url) as connection:
        connection.execute(f"set transaction isolation level {level}")
        connection.execute("select 1 from billing.statement")
        world.write(mark.format(f"{level} {first}"))
        with pytest.raises(psycopg.Error, match="can't be moved at isolation level"):
            connection.execute(mark.format("stale") if first == MARK else _open("stale", unpaid))
    check_books(world)


def _unpaid(world: PaymentWorld) -> str:
    return str(
        world.one(
            "select max(statement_id) from billing.receivable r where balance_minor > 400 and not exists "
            "(select from billing.payment_attempt a where a.statement_id = r.statement_id "
            "and outcome in ('pending', 'unknown'))"
        )
    )


# ---- Nor the owner or a superuser


GUARDED = [
    "update billing.transfer set amount_minor = amount_minor + 1",
    "update billing.transfer set currency = 'USD'",
    "delete from billing.transfer",
    "truncate billing.transfer cascade",
    "update billing.paid_outside set amount_minor = 1",
    "delete from billing.paid_outside",
    "truncate billing.paid_outside cascade",
    "truncate billing.payment_attempt cascade",
    "delete from billing.payment_attempt",
    "update billing.payment_attempt set amount_minor = 1",
    "update billing.payment_attempt set idempotency_key = idempotency_key || 'x'",
    "update billing.payment_attempt set outcome = 'declined' where outcome = 'succeeded'",
    "update billing.payment_attempt set outcome = 'pending' where outcome = 'unknown'",
    "update billing.payment_attempt set statement_id = (select min(statement_id) from billing.statement)",
    "update billing.statement set total_minor = 1",
    "update billing.ledger_account set says = ''",
    "update billing.installation set installation_id = gen_random_uuid()",
    "insert into billing.installation default values",
    "insert into billing.transfer (kind, statement_id, debit_account, credit_account, amount_minor, currency) "
    "values ('issue', '{paid}', 'receivable', 'revenue', 1, 'EUR')",
    "insert into billing.transfer (kind, statement_id, debit_account, credit_account, amount_minor, currency) "
    "values ('payment', '{paid}', 'cash', 'receivable', 1, 'EUR')",
    "insert into billing.transfer (kind, statement_id, debit_account, credit_account, amount_minor, currency) "
    "values ('issue', 'x', 'receivable', 'revenue', 0, 'EUR')",
    "insert into billing.transfer (kind, statement_id, debit_account, credit_account, amount_minor, currency) "
    "values ('issue', 'x', 'receivable', 'receivable', 1, 'EUR')",
    "insert into billing.transfer (kind, statement_id, debit_account, credit_account, amount_minor, currency) "
    "values ('issue', 'x', 'receivable', 'cash', 1, 'EUR')",
    # With a record of its own that would be right, yet more than is due, or in another currency.
    "with o as (insert into billing.paid_outside (request_id, statement_id, amount_minor, currency, minor_unit, "
    "paid_on, reference, actor, reason) values ('x', '{paid}', 1, 'EUR', 2, now(), 'x', 'x', 'x') returning *) "
    "insert into billing.transfer (kind, statement_id, debit_account, credit_account, amount_minor, currency, "
    "paid_outside_id) select 'paid_outside', '{paid}', 'paid_outside', 'receivable', 1, 'EUR', paid_outside_id from o",
    "with o as (insert into billing.paid_outside (request_id, statement_id, amount_minor, currency, minor_unit, "
    "paid_on, reference, actor, reason) values ('x', '{unpaid}', 1, 'USD', 2, now(), 'x', 'x', 'x') returning *) "
    "insert into billing.transfer (kind, statement_id, debit_account, credit_account, amount_minor, currency, "
    "paid_outside_id) "
    "select 'paid_outside', '{unpaid}', 'paid_outside', 'receivable', 1, 'USD', paid_outside_id from o",
    "update billing.paid_outside_reversal set reason = 'x'",
    "delete from billing.paid_outside_reversal",
    "truncate billing.paid_outside_reversal",
    # Undone a second time; or, with a record of its own, in part, or for another statement.
    "insert into billing.paid_outside_reversal (request_id, paid_outside_id, statement_id, actor, reason) "
    "select 'x', paid_outside_id, statement_id, 'x', 'x' from billing.paid_outside_reversal",
    "insert into billing.paid_outside_reversal (request_id, paid_outside_id, statement_id, actor, reason) "
    "select 'x', paid_outside_id, '{unpaid}', 'x', 'x' from billing.paid_outside where request_id = 'm'",
    "insert into billing.transfer (kind, statement_id, debit_account, credit_account, amount_minor, currency, "
    "paid_outside_id) select kind, statement_id, debit_account, credit_account, amount_minor, currency, "
    "paid_outside_id from billing.transfer where kind = 'paid_outside_reversal'",
    "insert into billing.transfer (kind, statement_id, debit_account, credit_account, amount_minor, currency, "
    "paid_outside_id) select 'paid_outside_reversal', statement_id, 'receivable', 'paid_outside', amount_minor, "
    "currency, paid_outside_id from billing.paid_outside where request_id = 'm'",
    "with r as (insert into billing.paid_outside_reversal (request_id, paid_outside_id, statement_id, actor, reason) "
    "select 'x', paid_outside_id, statement_id, 'x', 'x' from billing.paid_outside where request_id = 'm' returning *) "
    "insert into billing.transfer (kind, statement_id, debit_account, credit_account, amount_minor, currency, "
    "paid_outside_id) select 'paid_outside_reversal', statement_id, 'receivable', 'paid_outside', 1, 'EUR', "
    "paid_outside_id from r",
]


@pytest.mark.parametrize("role", [None, "evbilling_owner"])
@pytest.mark.parametrize("statement", GUARDED, ids=[f"{n}-{text[:40]}" for n, text in enumerate(GUARDED)])
def test_what_is_booked_stays_booked(world: PaymentWorld, statement: str, role: str | None) -> None:
    """Triggers and constraints hold for the owner and a superuser too."""
    with psycopg.connect(world.admin_url) as connection:
        if role:
            connection.execute(f"set role {role}")
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(statement.format(paid=world.ids[0], unpaid=_unpaid(world)).encode())
        assert not isinstance(caught.value, psycopg.errors.SyntaxErrorOrAccessRuleViolation), caught.value
    check_books(world)


# ---- Corrections


def _correct(world: PaymentWorld, statement: str, total: int, number: int, **changes: str) -> None:
    """Issue a correction as its DAG will: net and tax of one sign, by the owner."""
    tax = round(total * 0.19 / 1.19)
    values = {"account_id": "s.account_id", "currency": "s.currency"} | changes
    with psycopg.connect(world.admin_url) as connection:
        connection.execute(
            f"""insert into billing.statement (statement_id, kind, period, account_id, revision, number, run_id,
                    financial_admin_id, time_zone, statement_date, currency, minor_unit, tax_rate, net_minor, tax_minor,
                    total_minor, corrects_statement_id, code_version)
                select 'C-202611-' || lpad(%(n)s::text, 6, '0'), 'correction', period, {values["account_id"]}, %(n)s,
                       %(n)s, run_id, financial_admin_id, time_zone, statement_date, {values["currency"]}, minor_unit,
                       tax_rate, %(net)s, %(tax)s, %(total)s, statement_id, 'x'
                from billing.statement s where statement_id = %(id)s""",
            {"n": number, "net": total - tax, "tax": tax, "total": total, "id": statement},
        )


@pytest.fixture
def five(postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[PaymentWorld]:
    """Ten statements, paid or failed in turn."""
    with payment_world(postgres, tmp_path, 10, methods=[VISA, SOFT]) as world:
        world.charge()
        yield world


def test_a_correction_moves_the_balance_of_what_it_corrects(five: PaymentWorld) -> None:
    """A credit lowers what is due, down to nothing; a debit on a paid statement is due, and planned to be collected."""
    paid, failed = five.ids[:2]
    _correct(five, failed, -five.one("select balance_minor from billing.receivable where statement_id = %s", failed), 1)
    _correct(five, paid, 119, 2)
    due = dict(five.rows("select statement_id, balance_minor from billing.receivable"))
    assert (due[failed], due[paid]) == (0, 119)
    assert five.one("select reason_id from finance.payment_plans where statement_id = %s", paid) == "TO-BE-PLANNED"
    from evbilling.payments.retries.runs import due_retries, open_retries

    with five.payment_services() as payments:
        retries = due_retries(payments, NOW)
        assert [retry.debt.statement_id for retry in retries if retry.is_tried and retry.debt.statement_id == paid]
        for batch in open_retries(payments, retries, "planned", "day", "ann"):
            payments.collect(batch)
    assert [intent["amount_received"] for intent in five.charged()[paid]] == [119, 595]
    assert five.tie_out() == ["gateway-EUR"]
    five.settle()
    assert five.tie_out() == []
    check_books(five)


def test_a_credit_on_a_paid_statement_is_a_credit(five: PaymentWorld) -> None:
    """The one way below zero; and nothing is collected from it."""
    _correct(five, five.ids[0], -100, 1)
    assert five.one("select balance_due from finance.statements where statement_id = %s", five.ids[0]) == -1
    assert five.status(five.ids[0]) == "Paid"
    assert five.rows(_open("x", five.ids[0]))[0][2] == "paid"


@pytest.mark.parametrize("outcome", ["pending", "unknown"])
def test_a_correction_waits_for_a_charge_under_way(five: PaymentWorld, outcome: str) -> None:
    """A credit while the whole amount is being charged would leave a payment above the total."""
    failed = five.ids[1]
    five.write(_open("x", failed))
    (attempt,) = five.rows("select max(attempt_id) from billing.payment_attempt")[0]
    if outcome == "unknown":
        five.write(_record(f"array[{attempt}]", "'{unknown}'", "'{null}'"))
    with pytest.raises(psycopg.Error, match="charges are under way"):
        _correct(five, failed, -100, 1)
    five.write(_record(f"array[{attempt}]", "'{succeeded}'", "'{pi_x}'"))
    _correct(five, failed, -100, 1)
    assert five.status(failed) == "Billing failure (resolved)"


@pytest.mark.parametrize("changes", [{"currency": "'USD'"}, {"account_id": "'another'"}])
def test_a_correction_of_something_else_is_refused(five: PaymentWorld, changes: dict[str, str]) -> None:
    """Of another account or currency it would move money that isn't there."""
    with pytest.raises(psycopg.Error, match="aren't of a connector statement of the same account and currency"):
        _correct(five, five.ids[1], -100, 1, **changes)


def test_corrections_of_corrections_are_refused(five: PaymentWorld) -> None:
    """They would post to a statement that nobody collects."""
    _correct(five, five.ids[1], -100, 1)
    with pytest.raises(psycopg.Error, match="aren't of a connector statement"):
        _correct(five, "C-202611-000001", 100, 2)


def test_the_books_balance_in_the_end(five: PaymentWorld) -> None:
    """Sum by ledger account: receivables are what finance sees as due, cash what the gateway has."""
    sums = dict(
        five.rows(
            """select account, sum(amount) from (
                   select debit_account as account, amount_minor as amount from billing.transfer
                   union all select credit_account, -amount_minor from billing.transfer) e group by 1"""
        )
    )
    due, paid, net, tax = five.rows(
        "select sum(balance_due) * 100, sum(paid_amount) * 100, sum(net_amount) * -100, sum(tax_amount) * -100 "
        "from finance.statements"
    )[0]
    assert (sums["receivable"], sums["cash"], sums["revenue"], sums["tax"]) == (due, paid, net, tax)
    assert sums["cash"] == sum(intent["amount_received"] for [intent] in five.charged().values())
    check_collected_once(five)
