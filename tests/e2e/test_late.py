"""Each DAG really paused, delayed, killed and failed, each server killed: what is said, and the runbook followed.

On a stack of its own. docs/service-levels.md says what the views, the pages, `evbilling check` and the alerts say;
docs/runbooks/alerts says what to do about it, and its commands and queries are run as they are written there.

On any day, in any order: Airflow's schedules begin nothing, each test has a month of its own, and before each one what
another has left is put in order. Time doesn't pass: what was recorded is made older, or is due at once.
"""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from evbilling.cli.main import main
from evbilling.period import Period
from evbilling_local.ports import LOOPBACK
from evbilling_local.stack import API_SERVER, MAIL_SINK, SANDBOX
from evbilling_local.stack.lifecycle import postgres_of
from evbilling_local.stack.services import AIRFLOW, Service
from tests.support.mail import PostOffice, post_office
from tests.support.payments import SOFT, VISA
from tests.support.stack import ACCOUNT_STATEMENTS, CONNECTOR_STATEMENTS, Stack, command, ended, path
from tests.support.webhooks import Webhooks, webhooks

pytestmark = [pytest.mark.e2e, pytest.mark.full]

DOCS = Path(__file__).resolve().parents[2] / "docs"
RETRIES, RECONCILIATION, MAIL, REBILL = "payment_retries", "payment_reconciliation", "mail_delivery", "rebill"
MISSED_MONTHS = "missed_months"
DAGS = (CONNECTOR_STATEMENTS, ACCOUNT_STATEMENTS, RETRIES, RECONCILIATION, MISSED_MONTHS, MAIL)
SCHEDULER = AIRFLOW[0]
# Of the scheduler, which Airflow trusts for half a minute otherwise.
GIVEN = {"AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "10"}
NOW, NEVER = "0 hours", "1 year"
BEGAN = datetime.now(UTC)
# The newest month that can be billed: at 12:00 UTC its first day has come everywhere.
THIS = Period((BEGAN - timedelta(hours=12)).year, (BEGAN - timedelta(hours=12)).month)
# The first is billed, collected and mailed; each of the others is a test's own.
FIRST, MISSED, WAITS, UNCHARGED = (THIS.shifted(-back) for back in (4, 3, 2, 1))
# A few connectors more or less are a large share of so few.
ANY_COUNT = {"max_count_change_percent": 1000}
# What the table calls a month, a day or a time.
WHEN = re.compile(r"\b\d{4}-\d\d(-\d\d)?( \d\d:\d\d UTC)?")


def wait(what: str, until: Callable[[], Any], seconds: float = 600) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.3)


def documented() -> dict[str, tuple[str, str, int, str]]:
    """The table of docs/service-levels.md by what happens: view, line on the pages, exit code, alert."""
    lines = (DOCS / "service-levels.md").read_text(encoding="utf-8").partition("| what happens |")[2].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines if line.startswith("| ")]
    return {what: (WHEN.sub("…", view), WHEN.sub("…", line), int(code), why) for what, view, line, code, why in cells}


class Late:
    """The stack, who is alerted, and what each of them says."""

    def __init__(self, stack: Stack, given: dict[str, str], hooks: Webhooks, office: PostOffice, folder: Path) -> None:
        self.stack, self.given, self.hooks, self.office, self.folder = stack, given, hooks, office, folder
        self.table = documented()
        self.seen: set[str] = set()
        self.connections = folder / "connections.json"
        extra = {
            "mail_to": "ops@cpo.example",
            "webhook_url": f"{hooks.url}/json",
            "slack_url": f"{hooks.url}/slack",
            "pagerduty_key": "key",
            "pagerduty_url": f"{hooks.url}/v2/enqueue",
            "airflow_url": API_SERVER.url(stack.state),
            "airflow_login": "viewer",
            "airflow_password": stack.state.airflow_passwords["viewer"],
        }
        smtp = {
            "host": LOOPBACK,
            "port": office.port,
            "extra": {"from_email": "billing@cpo.example", "disable_ssl": True, "disable_tls": True},
        }
        self.connections.write_text(json.dumps({"alerts": {"extra": extra}, "smtp": smtp}))

    # What happens.

    def limit(self, level: str, due_after: str, period: Period | None = None) -> None:
        """Look at this service level, of this month alone; any other isn't looked at."""
        record = "select billing.set_service_level(%s, %s, %s::interval, 'ann', 'test')"
        self.stack.admin("warehouse", record, level, period.first_day if period else "2000-01-01", due_after)
        if period:
            self.stack.admin("warehouse", record, level, period.shifted(1).first_day, None)

    def older(self, statement: str, *values: Any) -> None:
        """What was recorded is of another time, which only a superuser can write."""
        with psycopg.connect(self.stack.state.role_url("postgres", "warehouse")) as connection:
            connection.execute("set session_replication_role = replica")
            connection.execute(statement.encode(), values or None)

    def in_order(self) -> None:
        """All that runs is ended, all servers run, and no service level is looked at, whatever happened before."""
        servers = (SANDBOX, MAIL_SINK, *AIRFLOW)
        for pid in filter(None, (server.pid(self.stack.state) for server in servers)):
            os.kill(pid, signal.SIGCONT)
        pids = [postgres_of(self.stack.state).pid(), *(server.pid(self.stack.state) for server in servers)]
        if not all(pids):
            self.up()
        wait("the scheduler runs", self.scheduler_lives, 120)
        self.platform(answers=True)
        self.faults({})
        self.slots(4)
        active = {"state": ["queued", "running"]}
        for run in self.stack.api.get("/api/v2/dags/~/dagRuns", **active)["dag_runs"]:
            self.give_up(run["dag_id"], run["dag_run_id"])
        tasks = "/api/v2/dags/~/dagRuns/~/taskInstances"
        wait("no task runs", lambda: not self.stack.api.get(tasks, **active)["total_entries"])
        for dag_id in DAGS:
            self.pause(dag_id, is_paused=False)
        self.older("update billing.run set state = 'failed', failure = '', settled_at = now() where state = 'open'")
        self.older("update billing.plan set superseded_at = now() where issued_at is null and superseded_at is null")
        self.older("update billing.mail set state = 'held', last_error = 'over' where state = 'pending'")
        for table in ("service_level", "approval", "missed_month"):
            self.older(f"delete from billing.{table}_policy")
        for table in ("dag_event", "alert_message", "alert"):
            self.older(f"delete from billing.{table}")
        assert self.check()[0] == 0

    def faults(self, plan: dict[str, Any]) -> None:
        """What the gateway does wrong."""
        url = f"{SANDBOX.url(self.stack.state)}/_sandbox/faults"
        httpx.put(url, json=plan, trust_env=False).raise_for_status()

    def a_day_passes(self, *dag_ids: str) -> None:
        """Since all that these DAGs did."""
        self.older(
            "update billing.dag_event set occurred_at = occurred_at - interval '1 day' where dag_id = any(%s)",
            list(dag_ids),
        )

    def pause(self, dag_id: str, *, is_paused: bool = True) -> None:
        self.stack.api.patch(path(dag_id), {"is_paused": is_paused})

    def slots(self, number: int) -> None:
        """How many tasks may call the gateway."""
        self.stack.admin("airflow", "update slot_pool set slots = %s where pool = 'payment_gateway'", number)

    def signal(self, service: Service, number: int) -> None:
        pid = service.pid(self.stack.state)
        assert pid
        os.kill(pid, number)

    def kill(self, *services: Service) -> None:
        """With SIGKILL, and all that each has started."""
        for service in services:
            pid = service.pid(self.stack.state)
            assert pid
            os.killpg(pid, signal.SIGKILL)
            wait(f"{service.name} is gone", partial(self._is_gone, service))

    def _is_gone(self, service: Service) -> bool:
        return service.pid(self.stack.state) is None

    def up(self) -> None:
        """What isn't running is started."""
        command(self.stack.state.home, "up", given=self.given)

    def platform(self, *, answers: bool) -> None:
        """Let the platform's database take connections, or none."""
        self.stack.admin("postgres", f"alter database platform with allow_connections {answers}")
        if not answers:
            ends = "select pg_terminate_backend(pid) from pg_stat_activity where datname = 'platform'"
            self.stack.admin("postgres", ends)

    def airflow_test(self, dag_id: str, **settings: str) -> None:
        """`airflow dags test`, in a shell with other settings."""
        code, said = ended(self.stack.airflow("dags", "test", dag_id, **settings))
        assert code == 0, said

    def kill_task(self, dag_id: str, run_id: str, task_id: str = "") -> None:
        """SIGKILL this task of the run, or the first one that runs."""
        found: list[int] = []

        def runs() -> list[int]:
            tasks = self.stack.api.get(f"{path(dag_id)}/dagRuns/{run_id}/taskInstances")["task_instances"]
            wanted = [task for task in tasks if task_id in {"", task["task_id"]} and task["state"] == "running"]
            found[:] = [task["pid"] for task in wanted if task["pid"]]
            return found

        wait(f"a task of {run_id} runs", runs)
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def give_up(self, dag_id: str, run_id: str) -> None:
        """End a run as an operator does."""
        self.stack.api.patch(f"{path(dag_id)}/dagRuns/{run_id}", {"state": "failed"})

    def events(self, dag_id: str, run_id: str) -> list[str]:
        rows = self.stack.admin(
            "warehouse",
            "select event from billing.dag_event where dag_id = %s and airflow_run_id = %s order by event_id",
            dag_id,
            run_id,
        )
        return [row[0] for row in rows]

    def run_state(self, dag_id: str, run_id: str) -> list[str]:
        query = "select state from billing.run where dag_id = %s and airflow_run_id = %s"
        return [row[0] for row in self.stack.admin("warehouse", query, dag_id, run_id)]

    def task(self, dag_id: str, run_id: str, task_id: str) -> str | None:
        found = self.stack.tasks(run_id, dag_id).get(task_id)
        return found.state if found else None

    def scheduler_lives(self) -> bool:
        health = self.stack.web(f"{API_SERVER.url(self.stack.state)}/api/v2/monitor/health").json()
        return bool(health["scheduler"]["status"] == "healthy")

    def ended(self, dag_id: str, run_id: str) -> str:
        """The state in which a run ends; the minutes between two tries pass at once."""
        state = ""

        def is_over() -> bool:
            nonlocal state
            state = self.stack.api.get(f"{path(dag_id)}/dagRuns/{run_id}")["state"]
            hurry = "update task_instance set end_date = end_date - interval '1 hour' where state = 'up_for_retry'"
            self.stack.admin("airflow", hurry)
            return state in {"success", "failed"}

        wait(f"{run_id} of {dag_id} ends", is_over)
        return state

    def failed_statement(self) -> str:
        """A statement whose charge was declined, and may be tried again."""
        query = """select min(statement_id)
                   from finance.payment_attempts a join finance.statements s using (statement_id)
                   where a.decline_class = 'soft' and s.status = 'Billing failure'"""
        ((statement,),) = self.stack.finance(query)
        return str(statement)

    def give_card(self, statement: str, method: str) -> None:
        """The financial admin of the statement has another payment method from now on."""
        admins = "select financial_admin_id from finance.statements where statement_id = %s"
        ((admin,),) = self.stack.finance(admins, statement)
        self.stack.admin(
            "platform", "update platform.app_user set payment_method = %s where user_id = %s", method, admin
        )

    def clear(self, dag_id: str, run_id: str, *task_ids: str) -> None:
        """Clear the tasks that failed, or these, with all after them."""
        body = {"dag_run_id": run_id, "dry_run": False, "include_downstream": True, "only_failed": not task_ids}
        body |= {"task_ids": list(task_ids)} if task_ids else {}
        assert self.stack.api.post(f"{path(dag_id)}/clearTaskInstances", body)["task_instances"]

    # What is said.

    def check(self) -> tuple[int, list[dict[str, Any]]]:
        """`evbilling check --notify`: its exit code, and what it says of each service level."""
        printed = io.StringIO()
        given = ["--url", self.stack.state.url("warehouse"), "--connections", str(self.connections)]
        with redirect_stdout(printed):
            code = main(["check", "--notify", "--json", "--state", str(self.folder / "outage"), *given])
        return code, json.loads(printed.getvalue()).get("service_levels", [])

    def line(self) -> str:
        """What every page says at its head, with how many more things there are."""
        page = self.stack.web(
            f"{API_SERVER.url(self.stack.state)}/evbilling/statements",
            authorization=self.stack.token("viewer"),
            accept="text/html",
        )
        assert page.status_code == 200, page.text
        found = re.search(r'<p class="late"><strong>(.*?)</strong>(.*?)</p>', page.text, re.DOTALL)
        return (found[1] + found[2].partition(", and")[2]).replace("&#39;", "'") if found else "none"

    def says(self, what: str, level: str) -> None:
        """That all four say what the table has, and nothing of anything else."""
        view, line, code, why = self.table[what]
        self.seen.add(what)
        # What was sent already is sent once more the next day.
        self.older("update billing.alert_message set sent_at = sent_at - interval '1 day', claimed_at = '-infinity'")
        self.hooks.got.clear()
        self.office.kept.clear()
        found_code, levels = self.check()
        concerned = [one for one in levels if one["needs_somebody"]]
        newest = max((one for one in levels if one["service_level"] == level), key=itemgetter("needs_somebody"))
        shown = f"`{level}`{' …' if newest['period'] else ''}: {newest['state']}"
        shown += f", `{newest['reason_id']}`" if newest["reason_id"] else ""
        shown = "none" if level == "airflow" else shown
        assert (shown, found_code) == (view, code), (what, newest)
        assert concerned == [newest] * code, what
        if level != "airflow":
            self._view_agrees(level, newest)
        # That a run failed is said of some, too.
        sent = [one for one in self.hooks.got.get("/json", []) if one["event"] != "ended" and one["alert"] == level]
        if why == "none is sent":
            assert sent == [], what
        else:
            (message,) = sent
            assert message["why"] == why, what
            title = WHEN.sub("…", message["title"])
            assert line in {title, "no page answers"}
            subjects = [WHEN.sub("…", str(mail["Subject"])) for _, mail in self.office.kept]
            assert subjects.count(f"[evbilling] {title}") == 1
            assert message["cause"] in {one["dedup_key"] for one in self.hooks.got["/v2/enqueue"]}
            texts = [WHEN.sub("…", one["text"]) for one in self.hooks.got["/slack"]]
            assert any(text.startswith(f"*[evbilling] {title}*") for text in texts)
        if line == "no page answers":
            with pytest.raises(httpx.TransportError):
                self.line()
        else:
            wait(f"the pages say {line}: {what}", lambda: WHEN.sub("…", self.line()) == line, 30)

    def _view_agrees(self, level: str, found: dict[str, Any]) -> None:
        """The view says the same, but for what Airflow alone knows."""
        query = """select state, reason_id from finance.service_levels
                   where service_level = %s and period is not distinct from %s"""
        ((state, reason_id),) = self.stack.finance(query, level, found["period"])
        if found["reason_id"] == "DAG_PAUSED":
            assert reason_id in {None, "NO_RUN"}
        else:
            assert reason_id == found["reason_id"]
        assert state == found["state"]

    def ends(self, level: str) -> None:
        """The alert of this service level ends, by each channel."""
        self.hooks.got.clear()
        self.office.kept.clear()
        _, levels = self.check()
        left = [one for one in levels if one["service_level"] == level and one["needs_somebody"]]
        assert left == []
        assert level in {one["alert"] for one in self.hooks.got.get("/json", []) if one["event"] == "ended"}
        assert any("In order again" in str(message["Subject"]) for _, message in self.office.kept)
        assert "resolve" in {one["event_action"] for one in self.hooks.got["/v2/enqueue"]}

    # What its runbook says to do.

    def runbook(self, level: str) -> str:
        return (DOCS / "runbooks" / "alerts" / f"{level}.md").read_text(encoding="utf-8")

    def commands(self, level: str) -> list[str]:
        """The shell commands of a runbook, as they are written there."""
        return re.findall(r"`((?:airflow|evbilling) [^`]+)`", self.runbook(level))

    def follow(self, level: str, written: str) -> str:
        """Run a command of a runbook in a shell of Airflow."""
        assert written in self.commands(level), f"the runbook of {level} has no {written}"
        done = subprocess.run(
            ["sh", "-c", written],
            env=self.stack.environment() | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
        return done.stdout

    def verify(self, level: str) -> list[list[tuple[Any, ...]]]:
        """What the queries of a runbook return to finance."""
        queries = "".join(re.findall(r"```sql\n(.*?)```", self.runbook(level), re.DOTALL)).split(";")
        return [self.stack.finance(query) for query in queries if query.strip()]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Late]:
    """A stack with a small platform, of which one month is issued, collected and mailed."""
    folder = tmp_path_factory.mktemp("late")
    home = folder / "home"
    with webhooks() as hooks, post_office() as office:
        alerts = {"conn_type": "generic", "extra": {"webhook_url": f"{hooks.url}/json"}}
        given = GIVEN | {"AIRFLOW_CONN_ALERTS": json.dumps(alerts)}
        try:
            command(home, "up", given=given, timeout=900)
            command(home, "platform", "sample", "--accounts", "12", "--connectors-per-account", "3")
            stack = Stack(home, given)
            world = Late(stack, given, hooks, office, folder)
            prepare(world)
            yield world
            stack.api.close()
        finally:
            command(home, "down", timeout=120)


def prepare(late: Late) -> None:
    """No schedule begins anything, a few cards are declined, and the first month is as of its first day."""
    late.stack.admin(
        "airflow",
        """create function no_tick() returns trigger language plpgsql as $$
           begin new.next_dagrun_create_after := null; return new; end $$;
           create trigger no_tick before insert or update on dag for each row execute function no_tick();
           update dag set next_dagrun_create_after = null""",
    )
    # The first month was due longer ago than any time limit may be.
    late.stack.admin(
        "warehouse", "alter table billing.service_level_policy drop constraint service_level_policy_due_after_check"
    )
    declined = """update platform.app_user set payment_method = %s where user_id in (
                      select user_id from platform.app_user where payment_method = %s order by 1 limit 4)"""
    late.stack.admin("platform", declined, SOFT, VISA)
    late.in_order()
    conf = ANY_COUNT | {"deliver": "yes"}
    assert late.stack.run(CONNECTOR_STATEMENTS, "first", partition_key=str(FIRST), conf=conf) == "success"
    at = datetime(FIRST.year, FIRST.month, 1, 0, 5, tzinfo=UTC)
    late.older("update billing.run set opened_at = %s, settled_at = %s", at, at)


@pytest.fixture
def late(world: Late) -> Late:
    """The stack, in order."""
    world.in_order()
    return world


def test_a_month_that_waits_for_a_person(late: Late) -> None:
    """It is rejected by the runbook's command; of another run, by ending it in Airflow."""
    policy = late.folder / "policy.csv"
    policy.write_text(f"effective_from,mode\n{WAITS},always\n", encoding="utf-8")
    command(late.stack.state.home, "policy", "load", str(policy), "--reason", "a test")
    late.stack.trigger("waits", partition_key=str(WAITS), conf=ANY_COUNT)
    wait("a person is asked", lambda: late.task(CONNECTOR_STATEMENTS, "waits", "approve") == "awaiting_input")
    late.says("a month waits for a person", "approval")
    ((*_, accounts, statements, _money),) = late.verify("approval")[0]
    assert accounts >= statements > 0
    assert "evbilling reject" in late.commands("approval")
    command(late.stack.state.home, "reject", str(WAITS), "--reason", "not yet")
    assert late.stack.finish("waits") == "failed"
    late.ends("approval")
    assert late.verify("approval") == [[]]

    late.stack.trigger("ended", partition_key=str(WAITS), conf=ANY_COUNT)
    wait("a person is asked", lambda: late.task(CONNECTOR_STATEMENTS, "ended", "approve") == "awaiting_input")
    assert late.check()[0] == 1
    late.give_up(CONNECTOR_STATEMENTS, "ended")
    wait("its plan is rejected", lambda: late.verify("approval") == [[]], 30)
    late.ends("approval")
    query = "select decision, decided_by, actor from finance.plan_approvals where period = %s order by plan_id"
    assert late.stack.finance(query, str(WAITS)) == [("rejected", "person", "admin")] * 2
    assert late.run_state(CONNECTOR_STATEMENTS, "ended") == ["failed"]


def test_statements_that_nobody_charges(late: Late) -> None:
    """A month is issued while the gateway's tasks have no slot; then the worker is killed, then the gateway is."""
    # By its API, Airflow has no pool of no tasks.
    late.slots(0)
    late.stack.trigger("uncharged", partition_key=str(UNCHARGED), conf=ANY_COUNT | {"deliver": "no"})
    wait("the month is issued", lambda: late.run_state(CONNECTOR_STATEMENTS, "uncharged") == ["issued"])
    late.older("update billing.run set settled_at = now() - interval '11 hours' where period = %s", str(UNCHARGED))
    late.limit("charges", "12 hours")
    late.says("`charge` is delayed, 11 hours after the issue", "charges")

    late.limit("charges", NOW)
    late.signal(SANDBOX, signal.SIGSTOP)
    late.slots(4)
    wait("charge begins", lambda: "begun" in late.events(CONNECTOR_STATEMENTS, "uncharged"))
    late.kill_task(CONNECTOR_STATEMENTS, "uncharged", "charge")
    late.says("`charge` is killed", "charges")
    late.kill(SANDBOX)
    assert late.ended(CONNECTOR_STATEMENTS, "uncharged") == "failed"
    late.says("`charge` fails: the gateway doesn't answer", "charges")

    late.up()
    late.clear(CONNECTOR_STATEMENTS, "uncharged", "charge")
    wait("it is charged", lambda: late.task(CONNECTOR_STATEMENTS, "uncharged", "charge") == "success")
    late.ends("charges")
    assert late.verify("charges") == [[]]


def test_servers_that_are_killed(late: Late) -> None:
    """Scheduler, API server and Postgres, one after the other; then all is started again."""
    late.kill(SCHEDULER)
    wait("Airflow notices", lambda: not late.scheduler_lives(), 60)
    late.says("Airflow's scheduler is killed", "airflow")
    token = late.stack.token("viewer")
    late.kill(API_SERVER)
    late.says("Airflow's API server, which has the pages, is killed", "airflow")
    assert "evbilling up" in late.commands("airflow")
    late.up()
    wait("the scheduler runs", late.scheduler_lives, 120)
    late.ends("airflow")

    pid = postgres_of(late.stack.state).pid()
    assert pid
    os.kill(pid, signal.SIGKILL)
    what = "the warehouse doesn't answer"
    late.seen.add(what)
    late.hooks.got.clear()
    for _ in range(2):
        assert late.check()[0] == late.table[what][2]
    (told,) = late.hooks.got["/json"]
    assert (told["alert"], told["event"]) == ("warehouse", "began")
    page = f"{API_SERVER.url(late.stack.state)}/evbilling/statements"
    assert late.stack.web(page, authorization=token, accept="text/html").status_code >= 500
    late.hooks.got.clear()
    late.up()
    wait("the scheduler runs", late.scheduler_lives, 120)
    assert "evbilling check" in late.commands("warehouse")
    assert late.check()[0] == 0
    assert [one["event"] for one in late.hooks.got["/json"]] == ["ended"]
    assert late.verify("warehouse") == [[]]


@pytest.mark.parametrize(("dag_id", "period"), [(ACCOUNT_STATEMENTS, FIRST), (CONNECTOR_STATEMENTS, THIS)])
def test_a_month_that_nobody_issues(late: Late, dag_id: str, period: Period) -> None:
    """Delayed, paused, killed, and failed for good after three more tries; then its runbook is followed."""
    stack = late.stack
    late.limit(dag_id, NEVER, period)
    late.says(f"`{dag_id}` is delayed, before 18:00", dag_id)
    late.limit(dag_id, NOW, period)
    late.says(f"`{dag_id}` doesn't begin", dag_id)
    late.pause(dag_id)
    late.says(f"`{dag_id}` is paused", dag_id)
    late.pause(dag_id, is_paused=False)

    month: dict[str, Any] = {"partition_key": str(period), "conf": ANY_COUNT if dag_id == CONNECTOR_STATEMENTS else {}}
    stack.trigger("killed", dag_id, **month)
    wait("the run is open", lambda: late.run_state(dag_id, "killed") == ["open"])
    late.kill_task(dag_id, "killed")
    late.says(f"`{dag_id}` is killed", dag_id)
    late.give_up(dag_id, "killed")

    late.platform(answers=False)
    stack.trigger("outage", dag_id, **month)
    assert late.ended(dag_id, "outage") == "failed"
    late.says(f"`{dag_id}` fails: the platform doesn't answer", dag_id)

    late.platform(answers=True)
    late.clear(dag_id, "outage")
    assert stack.finish("outage", dag_id) == "success"
    late.ends(dag_id)
    assert late.verify(dag_id) == [[]]


@pytest.mark.parametrize(("dag_id", "hour"), [(RECONCILIATION, "09:00"), (RETRIES, "12:00")])
def test_a_day_that_nobody_begins(late: Late, dag_id: str, hour: str) -> None:
    """Paused, delayed, killed, failed; the runbook's command runs it while it is paused, or its task is cleared."""
    stack = late.stack
    late.limit(dag_id, NOW)
    assert stack.run(dag_id, "today") == "success"
    late.pause(dag_id)
    late.says(f"`{dag_id}` is paused after the day's run", dag_id)
    late.pause(dag_id, is_paused=False)
    late.ends(dag_id)

    late.a_day_passes(dag_id)
    late.limit(dag_id, NEVER)
    late.says(f"`{dag_id}` is delayed, before {hour}", dag_id)
    late.limit(dag_id, NOW)
    late.says(f"`{dag_id}` doesn't begin", dag_id)
    late.pause(dag_id)
    late.says(f"`{dag_id}` is paused", dag_id)
    late.follow(dag_id, f"airflow dags test {dag_id}")
    late.pause(dag_id, is_paused=False)
    late.ends(dag_id)

    late.a_day_passes(dag_id)
    late.give_card(late.failed_statement(), VISA)
    late.signal(SANDBOX, signal.SIGSTOP)
    stack.trigger("killed", dag_id)
    wait("it begins", lambda: "begun" in late.events(dag_id, "killed"))
    late.kill_task(dag_id, "killed")
    late.says(f"`{dag_id}` is killed", dag_id)
    late.give_up(dag_id, "killed")

    late.kill(SANDBOX)
    stack.trigger("outage", dag_id)
    assert late.ended(dag_id, "outage") == "failed"
    late.says(f"`{dag_id}` fails: the gateway doesn't answer", dag_id)
    late.up()
    late.clear(dag_id, "outage")
    assert stack.finish("outage", dag_id) == "success"
    late.ends(dag_id)
    if dag_id == RECONCILIATION:
        assert late.verify(dag_id)[0][0][::3] == ("ok", 0)
    else:
        assert late.verify(dag_id)[0][0][1] == "ok"


def test_missed_months_that_no_policy_bills(late: Late) -> None:
    """The daily run is paused, delayed, killed, fails; then it forgives a month to one account, and bills the rest."""
    stack, level = late.stack, MISSED_MONTHS
    policy = "policy", "missed-month"
    command(stack.state.home, *policy, "bill", "--reason", "a test")
    assert late.check()[0] == 0
    late.older("update billing.missed_month_policy set recorded_at = recorded_at - interval '2 days'")
    late.limit(level, NOW)
    assert stack.run(level, "today") == "success"
    late.pause(level)
    late.says(f"`{level}` is paused after the day's run", level)
    late.a_day_passes(level)
    late.says(f"`{level}` is paused", level)
    late.pause(level, is_paused=False)
    late.says(f"`{level}` doesn't begin", level)
    late.limit(level, NEVER)
    late.says(f"`{level}` is delayed, before 22:00", level)

    ((account,),) = stack.finance("select min(account_id) from finance.statements where period = %s", str(FIRST))
    command(stack.state.home, *policy, "forgive", "--account", account, "--reason", "a test")
    late.limit(level, NOW)
    with psycopg.connect(stack.state.role_url("postgres", "warehouse")) as connection:
        connection.execute("lock table billing.forgiveness in access exclusive mode")
        stack.trigger("killed", level)
        wait("it begins", lambda: "begun" in late.events(level, "killed"))
        late.kill_task(level, "killed", "forgive")
    late.says(f"`{level}` is killed", level)
    late.give_up(level, "killed")

    late.limit(CONNECTOR_STATEMENTS, NOW, MISSED)
    late.platform(answers=False)
    stack.trigger("outage", level)
    assert late.ended(level, "outage") == "failed"
    late.platform(answers=True)
    # That the month is late is another alert.
    late.limit(CONNECTOR_STATEMENTS, NEVER, MISSED)
    late.says(f"`{level}` fails: the platform doesn't answer", level)

    late.limit(CONNECTOR_STATEMENTS, NOW, MISSED)
    late.clear(level, "outage")
    assert stack.finish("outage", level) == "success"
    late.ends(level)
    assert late.verify(level)[0][0][1] == "ok"
    (billed,) = stack.api.get("/api/v2/dags/bill_month/dagRuns")["dag_runs"]
    assert stack.finish(billed["dag_run_id"], "bill_month") == "success"
    late.ends(CONNECTOR_STATEMENTS)
    note = stack.api.get(f"{path(level)}/dagRuns/outage")["note"]
    assert note == "1 month forgiven, 1 month to be billed"
    state = "select state from finance.missed_months where period = %s"
    assert stack.finance(state, str(MISSED)) == [("forgiven",)]
    assert stack.statements(str(MISSED)) > 0


def test_mail_that_isnt_sent(late: Late) -> None:
    """The server doesn't answer, nobody sends, the worker is killed, there is no server, it refuses; then it goes."""
    stack = late.stack
    ((statement,),) = stack.finance("select min(statement_id) from finance.mail where state = 'sent'")
    conf = {"statement_ids": [statement], "reason": "asked for"}
    late.limit(MAIL, "1 hour")
    late.kill(MAIL_SINK)
    stack.trigger("outage", MAIL, conf=conf)
    assert late.ended(MAIL, "outage") == "failed"
    queued = (
        "update billing.mail set not_before = created_at, created_at = now() - %s::interval where state = 'pending'"
    )
    late.older(queued, "90 minutes")
    late.says("the mail server doesn't answer", MAIL)

    late.older("delete from billing.dag_event where dag_id = 'mail_delivery'")
    late.older(queued, "50 minutes")
    late.says("mail has waited for 50 minutes", MAIL)
    late.older(queued, "90 minutes")
    late.says("`mail_delivery` doesn't begin", MAIL)
    late.pause(MAIL)
    late.says("`mail_delivery` is paused", MAIL)

    late.airflow_test(MAIL, AIRFLOW_CONN_SMTP="")
    late.says("no mail server is defined", MAIL)
    late.pause(MAIL, is_paused=False)

    late.up()
    late.signal(MAIL_SINK, signal.SIGSTOP)
    stack.trigger("killed", MAIL)
    wait("it begins", lambda: "begun" in late.events(MAIL, "killed"))
    late.kill_task(MAIL, "killed", "deliver")
    late.says("`mail_delivery` is killed", MAIL)
    late.give_up(MAIL, "killed")
    late.signal(MAIL_SINK, signal.SIGCONT)

    with post_office(on_data=lambda *_: "451 busy") as busy:
        smtp = {"host": LOOPBACK, "port": busy.port, "conn_type": "smtp"}
        extra = {"from_email": "billing@cpo.example", "disable_ssl": True, "disable_tls": True}
        late.airflow_test(MAIL, AIRFLOW_CONN_SMTP=json.dumps(smtp | {"extra": extra}))
    late.says("the mail server refuses mail for now", MAIL)

    late.older(queued, "90 minutes")
    assert stack.run(MAIL, "now") == "success"
    late.ends(MAIL)
    assert late.verify(MAIL)[0][0][:2] == ("ok", None)


def test_a_gateway_that_refuses_us_and_a_warehouse_that_is_restored(late: Late) -> None:
    """A key that has expired, until it is replaced; then the warehouse is a copy of itself, until all is compared."""
    stack = late.stack
    late.limit("gateway", NOW)
    statement = late.failed_statement()
    late.give_card(statement, VISA)
    conf = {"statement_ids": [statement], "reason": "another card"}
    late.faults({"rates": {"unauthorized": 1.0}})
    late.hooks.got.clear()
    assert stack.run(REBILL, "refused", conf=conf) == "failed"
    (told,) = [one for one in late.hooks.got["/json"] if one["alert"] == "failed_run"]
    assert (told["cause"], told["event"]) == (f"failed_run:{REBILL}:refused", "began")
    late.says("the gateway refuses our key", "gateway")
    attempts, holds, (level,) = late.verify("gateway")
    assert (attempts[0][0], holds, level) == (statement, [], ("late", "GATEWAY_REFUSES"))
    late.faults({})
    assert stack.run(REBILL, "corrected", conf=conf) == "success"
    late.ends("gateway")
    assert (REBILL, statement) in {(row[2], row[3]) for row in late.verify("failed_run")[0]}

    with psycopg.connect(stack.state.role_url("postgres", "postgres"), autocommit=True) as connection:
        for statement in (
            "alter database warehouse with allow_connections false",
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = 'warehouse'",
            "create database restored template warehouse strategy file_copy",
            "alter database warehouse rename to before",
            "alter database restored rename to warehouse",
        ):
            connection.execute(statement.encode())
    statement = late.failed_statement()
    late.give_card(statement, VISA)
    conf = {"statement_ids": [statement], "reason": "another card"}
    assert stack.run(REBILL, "on-hold", conf=conf) == "failed"
    late.says("the warehouse was restored: charging is on hold", "gateway")
    assert late.verify("gateway")[1]
    assert stack.run(RECONCILIATION, "lifts") == "success"
    late.ends("gateway")
    assert stack.run(REBILL, "goes-on", conf=conf) == "success"


def test_the_table_has_nothing_that_didnt_happen(world: Late, request: pytest.FixtureRequest) -> None:
    """Each of its rows was seen, if all tests of this file ran and none failed."""
    ran = {getattr(item, "originalname", "") for item in request.session.items if item.path == request.path}
    if request.session.testsfailed or not ran >= {name for name in globals() if name.startswith("test_")}:
        pytest.skip("not all of it ran")
    assert world.seen == world.table.keys()
