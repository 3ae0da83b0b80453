"""Each DAG really paused, delayed, killed and failed, each server killed: what is said, and the runbook followed.

On a stack of its own. docs/service-levels.md says what the views, the pages, `evbilling check` and the alerts say;
docs/runbooks/alerts says what to do about it, and its commands and queries are run as they are written there. The clock
of the warehouse isn't changed: what was recorded is made older, or its time limit is set to the present. A key that is
refused and a restored warehouse are in integration/test_charging and test_restore.
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
from operator import itemgetter
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from evbilling.cli.main import main
from evbilling.period import Period
from evbilling.service_levels import LEVELS
from evbilling_local.ports import LOOPBACK
from evbilling_local.stack import API_SERVER, MAIL_SINK, SANDBOX
from evbilling_local.stack.lifecycle import postgres_of
from evbilling_local.stack.services import AIRFLOW, Service
from tests.support.mail import PostOffice, post_office
from tests.support.stack import ACCOUNT_STATEMENTS, CONNECTOR_STATEMENTS, Stack, command, ended, path
from tests.support.webhooks import Webhooks, webhooks

pytestmark = [pytest.mark.e2e, pytest.mark.full]

DOCS = Path(__file__).resolve().parents[2] / "docs"
RETRIES, RECONCILIATION, MAIL = "payment_retries", "payment_reconciliation", "mail_delivery"
DAGS = (CONNECTOR_STATEMENTS, ACCOUNT_STATEMENTS, RETRIES, RECONCILIATION, MAIL)
SCHEDULER = AIRFLOW[0]
# Of the scheduler, which Airflow trusts for half a minute otherwise.
GIVEN = {"AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "10"}
NOW, NEVER = "0 hours", "31 days"
BEGAN = datetime.now(UTC)
# The newest month that can be billed: at 12:00 UTC its first day has come everywhere.
THIS = Period((BEGAN - timedelta(hours=12)).year, (BEGAN - timedelta(hours=12)).month)
LAST = THIS.shifted(-1)
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

    def limit(self, level: str, due_after: str) -> None:
        """The time limit of a service level; a month after the one that is billed isn't looked at."""
        record = "select billing.set_service_level(%s, %s, %s::interval, 'ann', 'test')"
        self.stack.admin("warehouse", record, level, "2000-01-01", due_after)
        if level in {CONNECTOR_STATEMENTS, ACCOUNT_STATEMENTS}:
            self.stack.admin("warehouse", record, level, THIS.shifted(1).first_day, None)

    def older(self, statement: str, *values: Any) -> None:
        """What was recorded is of another time, which only a superuser can write."""
        with psycopg.connect(self.stack.state.role_url("postgres", "warehouse")) as connection:
            connection.execute("set session_replication_role = replica")
            connection.execute(statement.encode(), values or None)

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
            wait(f"{service.name} is gone", lambda service=service: service.pid(self.stack.state) is None)

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

    def wait_for_run(self, dag_id: str, run_id: str) -> None:
        wait(f"{run_id} of {dag_id} is open", lambda: self.run_state(dag_id, run_id) == ["open"])

    def wait_for_question(self, run_id: str) -> None:
        wait("a person is asked", lambda: self.task(CONNECTOR_STATEMENTS, run_id, "approve") == "awaiting_input")

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

    def line(self, *, with_more: bool = False) -> str:
        """What every page says at its head, and how many more things there are."""
        page = self.stack.web(
            f"{API_SERVER.url(self.stack.state)}/evbilling/statements",
            authorization=self.stack.token("viewer"),
            accept="text/html",
        )
        assert page.status_code == 200, page.text
        found = re.search(r'<p class="late"><strong>(.*?)</strong>(.*?)</p>', page.text, re.DOTALL)
        return (found[1] + found[2] * with_more).replace("&#39;", "'") if found else "none"

    def says(self, what: str, level: str, cause: str | None = None) -> None:
        """That all four say what the table has; of the alert's cause, as each is sent once a day."""
        view, line, code, why = self.table[what]
        self.seen.add(what)
        period = None if cause is None else cause.partition(":")[2] or None
        # What was sent already is sent once more the next day.
        self.older("update billing.alert_message set sent_at = sent_at - interval '1 day', claimed_at = '-infinity'")
        self.hooks.got.clear()
        self.office.kept.clear()
        found_code, levels = self.check()
        of_it = [one for one in levels if one["service_level"] == level and (not period or one["period"] == period)]
        concerned = [one for one in levels if one["needs_somebody"]]
        assert of_it, (what, levels)
        newest = max(of_it, key=itemgetter("needs_somebody"))
        shown = f"`{level}`{' …' if newest['period'] else ''}: {newest['state']}"
        shown += f", `{newest['reason_id']}`" if newest["reason_id"] else ""
        assert shown == view, (what, newest)
        assert found_code == (code if not concerned else 1), (what, concerned)
        self._view_agrees(level, newest)
        sent = [one for one in self.hooks.got.get("/json", []) if one["alert"] == level and one["event"] != "ended"]
        if why == "none is sent":
            assert sent == [], what
            assert level not in {one["service_level"] for one in concerned}, what
        else:
            assert [one["why"] for one in sent] == [why], (what, self.hooks.got.get("/json"))
            title = WHEN.sub("…", sent[0]["title"])
            assert line in {title, "no page answers"}
            subjects = [WHEN.sub("…", str(message["Subject"])) for _, message in self.office.kept]
            assert subjects.count(f"[evbilling] {title}") == 1
            assert any(one["dedup_key"] == sent[0]["cause"] for one in self.hooks.got["/v2/enqueue"])
            assert any(
                WHEN.sub("…", one["text"]).startswith(f"*[evbilling] {title}*") for one in self.hooks.got["/slack"]
            )
        if line == "no page answers":
            with pytest.raises(httpx.TransportError):
                self.line()
        elif len(concerned) <= 1:
            wait(f"the pages say {line}: {what}", lambda: WHEN.sub("…", self.line()) == line, 30)
        else:
            more = f", and {len(concerned) - 1} more thing"
            wait(f"the pages say{more}: {what}", lambda: more in self.line(with_more=True), 30)

    def _view_agrees(self, level: str, found: dict[str, Any]) -> None:
        """The view says the same, but for what Airflow alone knows."""
        query = """select state, reason_id from finance.service_levels
                   where service_level = %s and period is not distinct from %s"""
        ((state, reason_id),) = self.stack.finance(query, level, found["period"])
        if found["reason_id"] in {"DAG_PAUSED", "AIRFLOW_DOWN"}:
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
def late(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Late]:
    """A stack with a small platform; all DAGs are active, and none has done anything."""
    folder = tmp_path_factory.mktemp("late")
    home = folder / "home"
    with webhooks() as hooks, post_office() as office:
        alerts = {"conn_type": "generic", "extra": {"webhook_url": f"{hooks.url}/json"}}
        given = GIVEN | {"AIRFLOW_CONN_ALERTS": json.dumps(alerts)}
        try:
            command(home, "up", given=given)
            command(home, "platform", "sample", "--accounts", "12", "--connectors-per-account", "3")
            stack = Stack(home, given)
            world = Late(stack, given, hooks, office, folder)
            prepare(world)
            yield world
            stack.api.close()
        finally:
            command(home, "down", timeout=120)


def prepare(late: Late) -> None:
    """Un-pause all; what their schedules begin at once finds no platform, so it leaves nothing."""
    for level in LEVELS.keys() - {"gateway", "approval"}:
        late.limit(level, NEVER)
    late.platform(answers=False)
    for dag_id in DAGS:
        late.stack.unpause(dag_id)
    late.platform(answers=True)


def test_statements_that_nobody_charges_and_mail_that_nobody_sends(late: Late) -> None:
    """A month is issued while the gateway's tasks have no slot and the mail server is gone."""
    stack = late.stack
    late.kill(MAIL_SINK)
    # By its API, Airflow has no pool of no tasks.
    late.slots(0)
    stack.trigger("first", partition_key=str(LAST), conf={"deliver": "yes"})
    wait("the month is issued", lambda: late.run_state(CONNECTOR_STATEMENTS, "first") == ["issued"])
    late.says("`charge` is delayed, 11 hours after the issue", "charges")

    late.limit(MAIL, "1 hour")
    late.older("update billing.mail set created_at = clock_timestamp() - interval '50 minutes'")
    late.says("mail has waited for 50 minutes", MAIL)
    late.older("update billing.mail set created_at = clock_timestamp() - interval '90 minutes'")
    late.older("delete from billing.dag_event where dag_id = 'mail_delivery'")
    late.says("`mail_delivery` doesn't begin", MAIL)
    late.pause(MAIL)
    late.says("`mail_delivery` is paused", MAIL)
    late.limit(MAIL, NEVER)
    late.pause(MAIL, is_paused=False)

    late.limit("charges", NOW)
    late.signal(SANDBOX, signal.SIGSTOP)
    late.slots(4)
    wait("charge begins", lambda: "begun" in late.events(CONNECTOR_STATEMENTS, "first"))
    late.kill_task(CONNECTOR_STATEMENTS, "first", "charge")
    late.says("`charge` is killed", "charges")


def test_months_that_nobody_begins(late: Late) -> None:
    """The month and the month's end before, delayed, paused and killed; and a month that waits for a person."""
    stack = late.stack
    # As of the first day of the last month, so that all days since are to be accounted for.
    issued = datetime(LAST.year, LAST.month, 1, 0, 5, tzinfo=UTC)
    late.older("update billing.run set opened_at = %s, settled_at = %s", issued, issued)
    for dag_id, period, hour in ((ACCOUNT_STATEMENTS, LAST, "18:00"), (CONNECTOR_STATEMENTS, THIS, "18:00")):
        # A time limit is 31 days at most.
        due = period.first_day if dag_id == CONNECTOR_STATEMENTS else THIS.first_day - timedelta(days=1)
        if BEGAN.date() < due + timedelta(days=31):
            late.says(f"`{dag_id}` is delayed, before {hour}", dag_id)
        late.limit(dag_id, NOW)
        late.says(f"`{dag_id}` doesn't begin", dag_id)
        late.pause(dag_id)
        late.says(f"`{dag_id}` is paused", dag_id)
        late.pause(dag_id, is_paused=False)
        if dag_id == CONNECTOR_STATEMENTS:
            servers_are_killed(late)
        run_id = stack.trigger("killed", dag_id, partition_key=str(period))
        late.wait_for_run(dag_id, run_id)
        late.kill_task(dag_id, run_id)
        late.says(f"`{dag_id}` is killed", dag_id)
        late.give_up(dag_id, run_id)
        late.limit(dag_id, NEVER)

    policy = late.folder / "policy.csv"
    policy.write_text(f"effective_from,mode\n{THIS},always\n", encoding="utf-8")
    command(stack.state.home, "policy", "load", str(policy), "--reason", "a test")
    stack.trigger("rejected", partition_key=str(THIS))
    late.wait_for_question("rejected")
    late.says("a month waits for a person", "approval")
    ((*_, accounts, statements, _money),) = late.verify("approval")[0]
    assert accounts >= statements > 0
    assert "evbilling reject" in late.commands("approval")
    command(stack.state.home, "reject", str(THIS), "--reason", "not yet")
    assert stack.finish("rejected") == "failed"
    late.ends("approval")
    assert late.verify("approval") == [[]]


def servers_are_killed(late: Late) -> None:
    """Scheduler, API server and Postgres, one after the other; then all is started again."""
    late.kill(SCHEDULER)
    wait("Airflow notices", lambda: not late.scheduler_lives(), 60)
    late.says("Airflow's scheduler is killed", CONNECTOR_STATEMENTS)
    token = late.stack.token("viewer")
    late.kill(API_SERVER)
    late.says("Airflow's API server, which has the pages, is killed", CONNECTOR_STATEMENTS)
    late.up()
    wait("the scheduler runs", late.scheduler_lives, 120)

    server = postgres_of(late.stack.state)
    pid = server.pid()
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
    # Airflow's own processes end some seconds after their database, too late for the first start.
    late.up()
    wait("the scheduler runs", late.scheduler_lives, 120)
    assert "evbilling check" in late.commands("warehouse")
    assert late.check()[0] == 1
    assert [one["event"] for one in late.hooks.got["/json"] if one["alert"] == "warehouse"] == ["ended"]
    assert CONNECTOR_STATEMENTS in {row[0] for row in late.verify("warehouse")[0]}


def test_everything_outside_is_down(late: Late) -> None:
    """Gateway, mail server and platform: each run fails for good, after three more tries."""
    stack = late.stack
    late.kill(SANDBOX, MAIL_SINK)
    # Since the servers were started again the mail of the month may have gone.
    late.older("update billing.mail set state = 'pending', sent_at = null, created_at = now() - interval '90 minutes'")
    late.platform(answers=False)
    runs = {dag_id: f"outage-{dag_id}" for dag_id in (RECONCILIATION, RETRIES, MAIL)}
    for dag_id, run_id in runs.items():
        stack.trigger(run_id, dag_id)
    stack.trigger("outage", ACCOUNT_STATEMENTS, partition_key=str(LAST))
    stack.trigger("outage", partition_key=str(THIS))
    for dag_id, run_id in runs.items():
        assert late.ended(dag_id, run_id) == "failed"
    for dag_id in (ACCOUNT_STATEMENTS, CONNECTOR_STATEMENTS):
        assert late.ended(dag_id, "outage") == "failed"
    assert late.ended(CONNECTOR_STATEMENTS, "first") == "failed"
    for level in (CONNECTOR_STATEMENTS, ACCOUNT_STATEMENTS, "charges", RETRIES, RECONCILIATION, MAIL):
        late.limit(level, NOW)
    late.says("`charge` fails: the gateway doesn't answer", "charges")
    late.says("`payment_reconciliation` fails: the gateway doesn't answer", RECONCILIATION)
    late.says("`payment_retries` fails: the gateway doesn't answer", RETRIES)
    late.says("the mail server doesn't answer", MAIL)
    late.says("`account_statements` fails: the platform doesn't answer", ACCOUNT_STATEMENTS)
    late.says("`connector_statements` fails: the platform doesn't answer", CONNECTOR_STATEMENTS)


def test_the_runbooks_after_the_outage(late: Late) -> None:
    """What was down is up again; what each runbook says is done, and each alert ends."""
    stack = late.stack
    late.platform(answers=True)
    # The mail server is still gone; then there is none, and then one that refuses.
    late.pause(MAIL)
    late.airflow_test(MAIL, AIRFLOW_CONN_SMTP="")
    late.says("no mail server is defined", MAIL)
    # After eight in a row the run would fail.
    with post_office(on_data=lambda _, number: "451 busy" if number < 4 else "250 OK") as busy:
        smtp = {"host": LOOPBACK, "port": busy.port, "conn_type": "smtp"}
        extra = {"from_email": "billing@cpo.example", "disable_ssl": True, "disable_tls": True}
        late.airflow_test(MAIL, AIRFLOW_CONN_SMTP=json.dumps(smtp | {"extra": extra}))
    late.says("the mail server refuses mail for now", MAIL)
    late.pause(MAIL, is_paused=False)

    late.up()
    late.clear(CONNECTOR_STATEMENTS, "first", "charge")
    wait("it is charged", lambda: late.task(CONNECTOR_STATEMENTS, "first", "charge") == "success")
    late.ends("charges")
    assert late.verify("charges") == [[]]

    late.older("update billing.mail set not_before = created_at where state = 'pending'")
    assert stack.run(MAIL, "now") == "success"
    late.ends(MAIL)
    assert late.verify(MAIL)[0][0][:2] == ("ok", None)

    for dag_id in (RECONCILIATION, RETRIES):
        late.clear(dag_id, f"outage-{dag_id}")
        assert stack.finish(f"outage-{dag_id}", dag_id) == "success"
        late.ends(dag_id)
    assert late.verify(RECONCILIATION)[0][0][::3] == ("ok", 0)
    assert late.verify(RETRIES)[0][0][1] == "ok"

    late.clear(ACCOUNT_STATEMENTS, "outage")
    assert stack.finish("outage", ACCOUNT_STATEMENTS) == "success"
    late.ends(ACCOUNT_STATEMENTS)
    assert late.verify(ACCOUNT_STATEMENTS) == [[]]

    late.clear(CONNECTOR_STATEMENTS, "outage")
    late.wait_for_question("outage")
    command(stack.state.home, "approve", str(THIS), "--reason", "seen")
    assert stack.finish("outage") == "success"
    late.ends(CONNECTOR_STATEMENTS)
    assert late.verify(CONNECTOR_STATEMENTS) == [[]]
    late.limit(MAIL, NEVER)
    assert late.check()[0] == 0


@pytest.mark.parametrize(("dag_id", "hour"), [(RECONCILIATION, "09:00"), (RETRIES, "12:00")])
def test_a_day_that_nobody_begins(late: Late, dag_id: str, hour: str) -> None:
    """Delayed, paused, killed; the runbook's command runs it while it is paused."""
    stack = late.stack
    late.pause(dag_id)
    late.says(f"`{dag_id}` is paused after the day's run", dag_id)
    late.pause(dag_id, is_paused=False)
    late.ends(dag_id)
    late.a_day_passes(dag_id)
    late.limit(dag_id, NEVER)
    late.says(f"`{dag_id}` is delayed, before {hour}", dag_id)
    late.limit(dag_id, NOW)
    late.says(f"`{dag_id}` doesn't begin", dag_id)
    late.signal(SANDBOX, signal.SIGSTOP)
    stack.trigger("killed", dag_id)
    wait("it begins", lambda: "begun" in late.events(dag_id, "killed"))
    late.kill_task(dag_id, "killed")
    late.says(f"`{dag_id}` is killed", dag_id)
    late.give_up(dag_id, "killed")
    late.signal(SANDBOX, signal.SIGCONT)
    # What a worker that was killed has recorded is all that is known of its run.
    late.older("delete from billing.dag_event where dag_id = %s and airflow_run_id = 'killed'", dag_id)
    late.pause(dag_id)
    late.says(f"`{dag_id}` is paused", dag_id)
    late.follow(dag_id, f"airflow dags test {dag_id}")
    late.pause(dag_id, is_paused=False)
    late.ends(dag_id)


def test_mail_is_being_sent_by_a_worker_that_is_killed(late: Late) -> None:
    """A statement is to be sent again, and the mail server doesn't answer any more."""
    stack = late.stack
    ((statement,),) = stack.finance("select min(statement_id) from finance.mail where state = 'sent'")
    late.limit(MAIL, NOW)
    late.signal(MAIL_SINK, signal.SIGSTOP)
    stack.trigger("killed", MAIL, conf={"statement_ids": [statement], "reason": "asked for"})
    wait("it begins", lambda: "begun" in late.events(MAIL, "killed"))
    late.kill_task(MAIL, "killed", "deliver")
    late.says("`mail_delivery` is killed", MAIL)
    late.give_up(MAIL, "killed")
    late.signal(MAIL_SINK, signal.SIGCONT)
    assert stack.run(MAIL, "then") == "success"
    late.ends(MAIL)
