"""Every DAG file as Airflow parses it: complete, documented, careful by default, cheap to parse."""

from __future__ import annotations

import copy
import itertools
import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from evbilling import __version__
from evbilling.errors import NotReady
from evbilling_airflow.release import require_release
from tests.support.airflow_settings import DAGS, PLUGINS

pytestmark = [
    pytest.mark.airflow,
    # Airflow itself reads .airflowignore by a pattern class that pathspec has renamed.
    pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning"),
    # Airflow's own API imports what Starlette's test client calls deprecated.
    pytest.mark.filterwarnings("ignore:Using `httpx` with `starlette.testclient` is deprecated"),
]

SCHEDULED = {
    "connector_statements",
    "account_statements",
    "payment_retries",
    "payment_reconciliation",
    "missed_months",
}
ACTIONS = {
    "rebill",
    "mark_as_paid",
    "undo_mark_as_paid",
    "acknowledge_refund",
    "adjust_statement",
    "write_off",
    "refund_outside",
    "refund_payment",
    "correct_statements",
    "bill_month",
    "export_journal",
}
# By the clock, and at anybody's word: it sends only what others have asked for, so it needn't wait to be let go.
SWEEPS = {"mail_delivery"}
DAG_IDS = SCHEDULED | ACTIONS | SWEEPS
STEPS = ["open_run", "extract_inventory", "apply_scope_rules", "validate", "plan", "issue_statements", "close_run"]
AFTER_CLOSING = {"charge", "deliver"}
# Between plan and issue, where a person is asked: skipped by the scheduler, without a process, where nobody is.
# So is a canary, where the policy has none.
CANARY = ["issue_canary", "charge_canary", "deliver_canary", "approve_rest", "record_rest"]
ASKING = ["approve", "record_decision", *CANARY]
MAPPED = {"extract_inventory", "apply_scope_rules", "approve", *CANARY[:-1]}
MONTH_END = ["assemble", "validate", "issue_statements", "close_run", "plan_retries", "send_retries", "record"]
CALLS_THE_GATEWAY = {
    ("connector_statements", "charge"),
    ("bill_month", "charge"),
    ("connector_statements", "charge_canary"),
    ("bill_month", "charge_canary"),
    ("account_statements", "plan_retries"),
    ("account_statements", "send_retries"),
    ("account_statements", "record"),
    ("payment_retries", "plan_retries"),
    ("payment_retries", "send_retries"),
    ("payment_retries", "record"),
    ("payment_reconciliation", "ask_gateway"),
    ("payment_reconciliation", "compare"),
    ("rebill", "charge_again"),
    ("refund_payment", "give_back"),
}
MOST_TASK_INSTANCES = 9

PAYMENT = {"statement_id": "A-202611-000001", "paid_on": "2026-11-05", "reference": "x", "reason": "r"}

UNDO = {"statement_id": "A-202611-000001", "reason": "r"}

dag_ids = pytest.mark.parametrize("dag_id", sorted(DAG_IDS))


@pytest.fixture
def month(dag_bag: Any) -> Any:
    return dag_bag.dags["connector_statements"]


@pytest.fixture
def month_end(dag_bag: Any) -> Any:
    return dag_bag.dags["account_statements"]


def serialised(dag: Any) -> dict[str, Any]:
    from airflow.serialization.serialized_objects import DagSerialization

    return dict(DagSerialization.to_dict(dag))


def plain(serialised_dag: dict[str, Any]) -> str:
    return json.dumps(serialised_dag, sort_keys=True, default=str)


def test_exactly_the_expected_dags_are_there(dag_bag: Any) -> None:
    """Every file in dags/ imports, without a warning, and brings exactly the DAGs that this test names."""
    assert dag_bag.import_errors == {}
    assert dag_bag.captured_warnings == {}
    assert set(dag_bag.dags) == DAG_IDS
    assert {Path(dag.fileloc).stem for dag in dag_bag.dags.values()} == {path.stem for path in DAGS.glob("*.py")}


@dag_ids
def test_a_dag_says_when_what_rerun_and_what_a_failure_means(dag_bag: Any, dag_id: str) -> None:
    """The page of a DAG in Airflow answers an operator's four questions and leads to a runbook."""
    doc = dag_bag.dags[dag_id].doc_md
    for heading in ("When", "What it does", "Re-run", "A failure means"):
        assert f"**{heading}**" in doc
    runbook = doc.split("**Runbook**: `")[1].split("`")[0]
    assert runbook.startswith("docs/runbooks/")
    assert runbook.endswith(".md")


@dag_ids
def test_a_dag_is_careful_by_default(dag_bag: Any, dag_id: str) -> None:
    """Nothing bills because a DAG was deployed: paused, no catch-up, one run at a time, from a fixed date.

    An operator's action has no schedule, so it does nothing unasked and is ready when it is asked for; and what only
    sends the mail that others have asked for is ready too.
    """
    dag = dag_bag.dags[dag_id]
    assert dag.is_paused_upon_creation is (dag_id in SCHEDULED)
    assert (dag.schedule is None) is (dag_id in ACTIONS)
    assert dag.catchup is False
    # A month may wait for a person, and others don't wait for it.
    waits = dag_id in {"connector_statements", "bill_month"}
    assert dag.max_active_runs == (16 if dag_id in ACTIONS | SWEEPS else 4 if waits else 1)
    assert timedelta(0) < dag.dagrun_timeout <= timedelta(days=23 if waits else 1)
    # With one, `airflow dags test` fails in Airflow 3.3.2.
    assert not dag.deadline
    assert dag.start_date.utcoffset() == timedelta(0)
    assert dag.start_date.timetuple()[:6] == (2015, 1, 1, 0, 0, 0)
    assert dag.timezone.name == "UTC"
    # An implicit schedule would be None: a DAG either names a timetable or says None in its file.
    assert "schedule=" in Path(dag.fileloc).read_text(encoding="utf-8")


@dag_ids
def test_a_dag_has_known_tags_and_an_impact(dag_bag: Any, dag_id: str) -> None:
    """All tags come from the enum `Tag`, and one says how bad a failure is."""
    from evbilling_airflow.defaults import Tag

    tags = dag_bag.dags[dag_id].tags
    assert tags <= {str(tag) for tag in Tag}
    assert len([tag for tag in tags if tag.startswith("impact:")]) == 1


@dag_ids
def test_a_task_has_an_owner_retries_an_end_and_a_doc(dag_bag: Any, dag_id: str) -> None:
    """Every task says what it does, belongs to somebody, ends, and is retried by our policy only."""
    from evbilling_airflow.defaults import RETRY_POLICY

    for task in dag_bag.dags[dag_id].tasks:
        values = task.partial_kwargs if task.is_mapped else vars(task)
        assert task.doc_md, task.task_id
        assert task.doc_md.strip().endswith("."), task.task_id
        assert task.owner == "billing", task.task_id
        assert values["retries"] == 3, task.task_id
        assert values["retry_policy"] is RETRY_POLICY, task.task_id
        assert values["retry_delay"] >= timedelta(seconds=10), task.task_id
        assert timedelta(0) < values["execution_timeout"] < dag_bag.dags[dag_id].dagrun_timeout, task.task_id


@dag_ids
def test_a_param_has_a_title_and_a_description(dag_bag: Any, dag_id: str) -> None:
    """The trigger form explains each of its fields."""
    params = {name: dag_bag.dags[dag_id].params.get_param(name) for name in dag_bag.dags[dag_id].params}
    assert params
    for name, param in params.items():
        assert param.schema.get("title"), name
        assert param.description, name


@pytest.mark.parametrize(
    ("value", "fits"),
    [(None, True), ("2026-11", True), ("2026-13", False), ("2026-00", False), ("2026-1", False), ("2026-11-01", False)],
)
def test_the_form_takes_only_months(month: Any, value: str | None, fits: bool) -> None:
    """The Param `period` takes a month or nothing; anything else is refused before a run begins."""
    from airflow.sdk.exceptions import ParamValidationError

    param = copy.deepcopy(month.params.get_param("period"))  # `resolve` keeps the value
    if fits:
        assert param.resolve(value) == value
    else:
        with pytest.raises(ParamValidationError):
            param.resolve(value)


def test_the_steps_of_a_month_follow_each_other(month: Any) -> None:
    """open → extract → decide → validate → plan → issue → close → charge and deliver: nothing is issued unvalidated.

    A person is asked between plan and issue, or those two tasks are skipped; if either fails, nothing is issued. The
    canary comes after them, if there is one, and the rest only after a second word.
    Charging and mailing come beside each other: neither waits for, or fails with, the other's server.
    """
    chain = [task.task_id for task in month.topological_sort() if task.task_id not in ASKING]
    assert chain[: len(STEPS)] == STEPS
    assert set(chain[len(STEPS) :]) == AFTER_CLOSING
    before = {later: {earlier} for earlier, later in itertools.pairwise(STEPS)}
    before["issue_statements"] = {"validate", "record_decision", "record_rest"}
    before |= {"approve": {"plan"}, "record_decision": {"plan", "approve"}}
    before |= {later: {earlier} for earlier, later in itertools.pairwise(["record_decision", *CANARY])}
    before["record_rest"] = {"deliver_canary", "approve_rest"}
    for task_id, earlier in before.items():
        assert month.get_task(task_id).upstream_task_ids == earlier
    for last in AFTER_CLOSING:
        assert month.get_task(last).upstream_task_ids == {"close_run"}
    rules = {task.task_id: task.trigger_rule for task in month.tasks}
    usual = dict.fromkeys([*STEPS, *AFTER_CLOSING, *ASKING], "all_success")
    assert rules == usual | {"issue_statements": "none_failed"}
    assert {task.task_id for task in month.tasks if task.is_mapped} == MAPPED


def test_the_question_has_two_answers_its_fields_and_an_end(month: Any) -> None:
    """As the worker makes it of what `plan` returned: without an answer it is a rejection, and Params are no fields.

    About the rest, no canary can be picked any more.
    """
    waiting = {"is_asked": True, "subject": "s", "body": "b", "plan_hash": "0f", "deadline_hours": 48.0}
    asked = month.get_task("approve").unmap({"waiting": waiting})
    assert (asked.subject, asked.body) == ("s", "b")
    assert (asked.options, asked.defaults) == (["Issue and charge", "Reject"], ["Reject"])
    fields = {"reason": "", "plan_hash": "0f"}
    assert {name: asked.params[name] for name in asked.params} == fields | {"canary_accounts": ""}
    rest = month.get_task("approve_rest").unmap({"waiting": waiting | {"scope": "rest"}})
    assert {name: rest.params[name] for name in rest.params} == fields
    assert asked.response_timeout == timedelta(hours=48)


def test_the_steps_of_a_months_end_follow_each_other(month_end: Any) -> None:
    """assemble → validate → issue → close → plan → send → record: what is stated was validated, and stated first.

    What is closed is mailed, beside the retries.
    """
    order = [task.task_id for task in month_end.topological_sort()]
    assert [task_id for task_id in order if task_id != "deliver"] == MONTH_END
    assert month_end.get_task("deliver").upstream_task_ids == {"close_run"}
    assert month_end.get_task("deliver").downstream_task_ids == set()
    for earlier, later in itertools.pairwise(MONTH_END):
        assert month_end.get_task(later).upstream_task_ids == {earlier}
    assert {task.task_id for task in month_end.tasks if task.is_mapped} == {"send_retries"}
    assert {asset.name for task in month_end.tasks for asset in task.outlets} == {"account_statements"}


def test_a_run_by_policy_is_what_bill_month_takes(dag_bag: Any) -> None:
    """One after the other, and the next day the same run isn't triggered again."""
    from airflow.sdk.exceptions import DagRunTriggerException

    from evbilling_airflow import missed_months

    dag = dag_bag.dags["missed_months"]
    assert [task.task_id for task in dag.topological_sort()] == ["forgive", "list_runs", "bill"]
    assert dag.get_task("bill").partial_kwargs["max_active_tis_per_dagrun"] == 1
    conf = {"period": "2026-10", "reason": "missed, and to be billed by policy 1", "account_ids": ["a"]}
    with pytest.raises(DagRunTriggerException) as asked:
        missed_months.trigger({"run_id": "policy-2026-10-0f", "conf": conf})
    assert (asked.value.trigger_dag_id, asked.value.dag_run_id) == ("bill_month", "policy-2026-10-0f")
    assert (asked.value.logical_date, asked.value.skip_when_already_exists) == (None, True)
    params = copy.deepcopy(dag_bag.dags["bill_month"].params)
    params.update(asked.value.conf)
    params.validate()


def test_whoever_calls_the_gateway_takes_a_slot(dag_bag: Any) -> None:
    """The tasks that talk to the gateway, and they alone, are in its pool."""
    from evbilling_airflow.defaults import GATEWAY_POOL

    in_pool = {
        (dag_id, task.task_id)
        for dag_id, dag in dag_bag.dags.items()
        for task in dag.tasks
        if (task.partial_kwargs.get("pool") if task.is_mapped else task.pool) == GATEWAY_POOL
    }
    assert in_pool == CALLS_THE_GATEWAY


@pytest.mark.parametrize(
    ("dag_id", "conf", "complaint"),
    [
        ("correct_statements", {"period": "2026-11"}, "reason"),
        ("rebill", {}, "reason"),
        ("rebill", {"reason": ""}, "reason"),
        ("rebill", {"reason": "r", "statement_ids": ["S-202611-000001"]}, "statement_ids"),
        ("rebill", {"reason": "r", "period": "2026-13"}, "period"),
        ("mark_as_paid", {"statement_id": "A-202611-000001", "paid_on": "2026-11-05", "reference": "x"}, "reason"),
        ("mark_as_paid", PAYMENT | {"statement_id": "1"}, "statement_id"),
        ("mark_as_paid", PAYMENT | {"paid_on": "5.11."}, "paid_on"),
        ("mark_as_paid", PAYMENT | {"paid_on": "2026-11-05T10:00:00"}, "paid_on"),
        ("mark_as_paid", PAYMENT | {"paid_on": "2026-W45-4"}, "paid_on"),
        ("mark_as_paid", PAYMENT | {"dry_run": "false"}, "dry_run"),
        ("mark_as_paid", PAYMENT | {"dry_run": 0}, "dry_run"),
        ("mark_as_paid", PAYMENT | {"amount": True}, "amount"),
        ("mark_as_paid", PAYMENT | {"reference": ""}, "reference"),
        ("mark_as_paid", PAYMENT | {"statement_ids": ["1"]}, "statement_ids"),
        ("mark_as_paid", PAYMENT | {"expected_total": "19.04"}, "expected_total"),
        ("rebill", {"reason": "r", "expected_total": {"eur": "19.04"}}, "expected_total"),
        ("undo_mark_as_paid", {"statement_id": "A-202611-000001"}, "reason"),
        ("undo_mark_as_paid", {"reason": "r"}, "statement_id"),
        ("undo_mark_as_paid", UNDO | {"payment_id": "12"}, "payment_id"),
        ("acknowledge_refund", UNDO, "debt"),
        ("acknowledge_refund", UNDO | {"debt": "forgotten"}, "debt"),
        ("acknowledge_refund", {"statement_id": "A-202611-000001", "debt": "credited"}, "reason"),
        ("acknowledge_refund", UNDO | {"debt": "credited", "expected_total": "5"}, "expected_total"),
        ("adjust_statement", UNDO | {"amount": "1"}, "kind"),
        ("adjust_statement", UNDO | {"amount": "1", "kind": "write_off"}, "kind"),
        ("adjust_statement", UNDO | {"kind": "goodwill"}, "amount"),
        ("write_off", {"statement_id": "A-202611-000001"}, "reason"),
        ("refund_outside", UNDO | {"paid_on": "5.11.", "reference": "x"}, "paid_on"),
        ("mail_delivery", {"statement_ids": ["X-202611-000001"]}, "statement_ids"),
        ("mail_delivery", {"period": "2026-13"}, "period"),
        ("mail_delivery", {"kind": "letter"}, "kind"),
        ("mail_delivery", {"states": ["sending"]}, "states"),
        ("connector_statements", {"deliver": "perhaps"}, "deliver"),
        ("payment_reconciliation", {"min_age_minutes": 0}, "min_age_minutes"),
        ("payment_reconciliation", {"min_age_minutes": 1}, "min_age_minutes"),
    ],
)
def test_an_action_refuses_params_that_make_no_sense(
    dag_bag: Any, dag_id: str, conf: dict[str, Any], complaint: str
) -> None:
    """What an operator forgot or mistyped is said before a run begins, by the Param's name."""
    from airflow.sdk.exceptions import ParamValidationError

    params = copy.deepcopy(dag_bag.dags[dag_id].params)

    def trigger() -> None:
        params.update(conf)
        params.validate()

    with pytest.raises(ParamValidationError, match=complaint):
        trigger()


def test_the_least_age_of_a_missing_charge_is_lease_and_timeouts(dag_bag: Any) -> None:
    """The form allows no less than the function, by the timeouts that a connection has unless it sets its own."""
    from evbilling.payments import PaymentServices
    from evbilling.services import Services

    param = dag_bag.dags["payment_reconciliation"].params.get_param("min_age_minutes")
    least = PaymentServices(Services("", "", "")).least_age
    assert timedelta(minutes=param.schema["minimum"] - 1) < least <= timedelta(minutes=param.schema["minimum"])


def test_a_month_of_one_shard_is_few_tasks(month: Any) -> None:
    """A small operator's month is one task instance a step, at most nine, of which nobody asks a person."""
    assert len([task for task in month.tasks if task.task_id not in ASKING]) <= MOST_TASK_INSTANCES


def test_only_closing_tells_the_followers(month: Any) -> None:
    """The asset is updated by the last step alone, so whoever follows it sees a finished month."""
    outlets = {task.task_id: [asset.name for asset in task.outlets] for task in month.tasks if task.outlets}
    assert outlets == {"close_run": ["connector_statements"]}


def test_validate_has_the_button_to_its_results(month: Any) -> None:
    """The task that can stop a month for its data leads to the data."""
    assert [link.name for link in month.get_task("validate").operator_extra_links] == ["Validation results"]


@pytest.mark.parametrize(
    ("tick", "key"),
    [
        (datetime(2026, 11, 1, 12, tzinfo=UTC), "2026-11"),
        (datetime(2027, 1, 1, 12, tzinfo=UTC), "2027-01"),
        (datetime(2024, 2, 1, 12, tzinfo=UTC), "2024-02"),
    ],
)
def test_a_tick_bills_its_own_month(month: Any, tick: datetime, key: str) -> None:
    """The run at 12:00 UTC on the 1st has that very month as its partition key, also when asked for by backfill."""
    from airflow.serialization.serialized_objects import DagSerialization

    timetable = DagSerialization.from_dict(serialised(month)).timetable
    day = timedelta(days=1)
    ticks = list(timetable.iter_partition_dagrun_infos(earliest=tick - 3 * day, latest=tick + 20 * day))
    assert [(info.run_after, info.partition_key) for info in ticks] == [(tick, key)]
    assert timetable.serialize()["run_offset"] == 0


@pytest.mark.parametrize(
    ("tick", "key"),
    [
        (datetime(2026, 11, 30, 12, tzinfo=UTC), "2026-11"),
        (datetime(2026, 12, 31, 12, tzinfo=UTC), "2026-12"),
        (datetime(2024, 2, 29, 12, tzinfo=UTC), "2024-02"),
        (datetime(2027, 2, 28, 12, tzinfo=UTC), "2027-02"),
    ],
)
def test_the_last_day_states_its_own_month(month_end: Any, tick: datetime, key: str) -> None:
    """The run at 12:00 UTC on the last day, leap years too, has that very month as its partition key."""
    from airflow.serialization.serialized_objects import DagSerialization

    timetable = DagSerialization.from_dict(serialised(month_end)).timetable
    day = timedelta(days=1)
    ticks = list(timetable.iter_partition_dagrun_infos(earliest=tick - 20 * day, latest=tick + 20 * day))
    assert [(info.run_after, info.partition_key) for info in ticks] == [(tick, key)]


def test_the_schedule_itself_makes_the_key(month: Any) -> None:
    """A scheduled run's key is the month of the tick at which it runs."""
    import pendulum
    from airflow.serialization.serialized_objects import DagSerialization
    from airflow.timetables.base import TimeRestriction

    timetable = DagSerialization.from_dict(serialised(month)).timetable
    restriction = TimeRestriction(earliest=pendulum.datetime(2030, 3, 2, tz="UTC"), latest=None, catchup=True)
    first = timetable.next_dagrun_info_v2(last_dagrun_info=None, restriction=restriction)
    second = timetable.next_dagrun_info_v2(last_dagrun_info=first, restriction=restriction)
    assert (first.run_after, first.partition_key) == (datetime(2030, 4, 1, 12, tzinfo=UTC), "2030-04")
    assert (second.run_after, second.partition_key) == (datetime(2030, 5, 1, 12, tzinfo=UTC), "2030-05")


def test_parsing_twice_gives_the_same_dag(dag_bag: Any) -> None:
    """Nothing in a DAG file depends on the time or on chance, so Airflow stores no new version by itself."""
    from airflow.dag_processing.dagbag import DagBag

    again = DagBag(str(DAGS))
    for dag_id in DAG_IDS:
        assert plain(serialised(again.dags[dag_id])) == plain(serialised(dag_bag.dags[dag_id]))


# Airflow's own imports come first, then these names are barred: what fails is an import of ours. They take seconds, so
# each file is parsed by a copy of the one interpreter that has them.
_PARSE = """
import importlib.util, json, multiprocessing, sys, traceback
from airflow.sdk import *
from airflow.sdk import Asset, CronPartitionTimetable, XComArg, dag, get_current_context, task
import airflow.providers.standard.decorators.python, airflow.sdk.definitions.retry_policy, airflow.timetables.base
import airflow.serialization.definitions.assets, airflow.serialization.dag_dependency
barred = "pandas great_expectations sqlalchemy pyarrow psycopg numpy fsspec typst babel"
sys.modules.update(dict.fromkeys(barred.split()))

def parse(path):
    try:
        spec = importlib.util.spec_from_file_location("parsed_dag_file", path)
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    except BaseException:
        return traceback.format_exc(), []
    return "", sorted(name for name in sys.modules if name.split(".")[0].startswith("evbilling"))

if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(1, maxtasksperchild=1) as pool:
        print(json.dumps({path: pool.apply(parse, (path,)) for path in sys.argv[1:]}))
"""
_DAG_FILES = sorted(DAGS.glob("*.py"))


@pytest.fixture(scope="module")
def parsed() -> dict[str, tuple[str, list[str]]]:
    """For each DAG file what went wrong when it was parsed, and the modules of ours that it imported."""
    done = subprocess.run(
        [sys.executable, "-P", "-W", "ignore:.*use of fork.*", "-c", _PARSE, *map(str, _DAG_FILES)],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, tuple[str, list[str]]] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.mark.parametrize("path", _DAG_FILES, ids=lambda path: path.stem)
def test_parsing_imports_nothing_heavy(path: Path, parsed: dict[str, tuple[str, list[str]]]) -> None:
    """A fresh interpreter parses the file without pandas, Great Expectations, SQLAlchemy, Arrow or a driver."""
    error, ours = parsed[str(path)]
    assert not error, error
    assert "evbilling_airflow.defaults" in ours
    ours_heavy = (
        "evbilling.warehouse",
        "evbilling.connector_statements",
        "evbilling.payments",
        "evbilling.account_statements",
        "evbilling.mail",
        "evbilling.documents",
    )
    assert not [name for name in ours if name.startswith(ours_heavy)]


def test_a_dag_file_is_short_and_absolute() -> None:
    """A DAG file is wiring: at most 120 lines, no relative import, no look into include/ past the adapters."""
    for path in DAGS.glob("*.py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= 120, path.name
        assert not [
            line for line in lines if line.lstrip().startswith(("from .", "from evbilling.", "import evbilling."))
        ]


def test_airflow_executes_no_plugin_file() -> None:
    """Airflow runs every .py in plugins/ under its bare name: ours is found by its entry point instead."""
    assert not list(PLUGINS.glob("*.py"))
    packages = {path.parent.name for path in PLUGINS.glob("*/__init__.py")}
    barred = (PLUGINS / ".airflowignore").read_text(encoding="utf-8").split("\n")
    assert packages == {"evbilling_airflow", "evbilling_web"}
    assert {f"{name}/" for name in packages} <= set(barred)
    assert not packages & set(sys.stdlib_module_names)


def test_airflow_loads_our_plugin_and_it_alone() -> None:
    """Airflow finds the plugin, finds no error in the folder, and leaves no module of ours under a bare name."""
    script = (
        "import sys; from airflow import plugins_manager as m; plugins, errors = m._get_plugins();"
        "print([p.name for p in plugins if p.name == 'evbilling'], errors,"
        " sorted({'month', 'links', 'context', 'connections', 'defaults', 'assets', 'guard', 'payments', 'accounts',"
        " 'mail'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == "['evbilling'] {} []"


def test_the_dag_files_are_of_the_installed_release(dag_bag: Any) -> None:
    """Each DAG file names the release of the package; others are refused with what to do."""
    named = [path.name for path in DAGS.glob("*.py") if f'\nrequire_release("{__version__}")\n' in path.read_text()]
    assert {*named} == {Path(dag.fileloc).name for dag in dag_bag.dags.values()}
    with pytest.raises(NotReady, match=rf"of evbilling 0\.0\.9, and evbilling {re.escape(__version__)} is installed"):
        require_release("0.0.9")
