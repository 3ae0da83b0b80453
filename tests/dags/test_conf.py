"""A DAG run's conf: what is no Param of its DAG is refused by its first task, in every DAG and however it is triggered.

Airflow itself takes a misspelt Param without a word: `"dryrun": true` would book for real.
"""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import ParamValidationError

from evbilling.errors import BadInput, NotReady
from tests.support import airflow_settings

pytestmark = [
    pytest.mark.airflow,
    # As in test_integrity: Airflow's own imports.
    pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Using `httpx` with `starlette.testclient` is deprecated"),
]


NO_INPUTS = SimpleNamespace(op_args=(), op_kwargs={})


def hooks(dag: Any) -> list[Any]:
    """What Airflow runs before each task of the DAG, mapped ones too."""
    return [task.partial_kwargs.get("pre_execute") if task.is_mapped else task._pre_execute_hook for task in dag.tasks]


def begin(dag: Any, conf: dict[str, Any] | None, params: dict[str, Any] | None = None) -> None:
    """Begin every task as Airflow does, with the Params that it makes of the conf."""
    given = {**{name: None for name in dag.params}, **(conf or {})} if params is None else params
    for hook in hooks(dag):
        hook({"dag": dag, "dag_run": SimpleNamespace(conf=conf), "params": given, "task": NO_INPUTS})


def misspelt(name: str) -> list[str]:
    """A name as people mistype it."""
    return [
        f"{name}s",
        name[:-1],
        name.upper(),
        name.replace("_", "") if "_" in name else f"{name}_",
        name.replace("_", "-") if "_" in name else f" {name}",
    ]


def test_every_task_of_every_dag_looks_at_conf_first(dag_bag: Any) -> None:
    """Each misspelt Param is refused by its name and with the right one; each right one passes, and so does none."""
    assert dag_bag.dags
    for dag in dag_bag.dags.values():
        assert None not in hooks(dag), dag.dag_id
        begin(dag, None)
        begin(dag, {})
        for name in dag.params:
            begin(dag, {name: "given"})
            # Of statement_id and statement_ids, either may be the nearest.
            right = {name, f"{name}s", name.removesuffix("s")}
            for wrong in set(misspelt(name)) - set(dag.params):
                with pytest.raises(BadInput) as refused:
                    begin(dag, {wrong: "given"})
                assert f"conf has {wrong!r}, which is no Param of {dag.dag_id}" in refused.value.what
                assert any(f"did you mean {one!r}?" in (refused.value.fix or "") for one in right)
        with pytest.raises(BadInput, match="conf has 'zzz', which is no Param of") as refused:
            begin(dag, {"zzz": 1})
        assert "did you mean" not in str(refused.value)


def test_conf_that_airflow_ignores_is_refused(dag_bag: Any) -> None:
    """With [core] dag_run_conf_overrides_params off, a dry run would be a real one."""
    dag = dag_bag.dags["mark_as_paid"]
    with pytest.raises(BadInput, match="Airflow ignores 'dry_run' of conf") as refused:
        begin(dag, {"dry_run": True}, {"dry_run": False})
    assert "dag_run_conf_overrides_params" in str(refused.value)


@pytest.fixture(scope="module")
def runnable() -> dict[str, Any]:
    """DAGs to run, by id, and an empty metadata database; a run changes a DAG's own Params, so they are others'."""
    from airflow.dag_processing.dagbag import DagBag
    from airflow.utils.db import initdb

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        initdb()
    return dict(DagBag(str(airflow_settings.DAGS)).dags)


def inputs(task: Any) -> dict[str, Any]:
    """What a task is given by the tasks before it, by parameter."""
    if task.is_mapped:
        # Airflow's own operator isn't a function of ours: it is given what it asks, or isn't there.
        return dict(task.op_kwargs_expand_input.value) if hasattr(task, "op_kwargs_expand_input") else {}
    return dict(task.op_kwargs) | dict(enumerate(task.op_args))


@pytest.mark.parametrize("missing", [None, []], ids=["one", "mapped"])
def test_no_task_begins_without_the_result_of_the_one_before(dag_bag: Any, missing: object) -> None:
    """Set to success by hand, a task has no result: each task of each DAG that needs one names it and what to do."""
    found = [(dag, task) for dag in dag_bag.dags.values() for task in dag.tasks if inputs(task)]
    assert {(dag.dag_id, task.task_id) for dag, task in found} >= {
        ("connector_statements", "issue_statements"),
        ("connector_statements", "apply_scope_rules"),
        ("correct_statements", "correct"),
        ("account_statements", "close_run"),
        ("payment_retries", "check"),
    }
    for dag, task in found:
        (hook,) = {task.partial_kwargs["pre_execute"] if task.is_mapped else task._pre_execute_hook}
        for name in inputs(task):
            bare = SimpleNamespace(
                task_id=task.task_id,
                upstream_task_ids=task.upstream_task_ids,
                op_args=(missing,) if isinstance(name, int) else (),
                op_kwargs={} if isinstance(name, int) else {name: missing},
            )
            context = {"dag": dag, "dag_run": SimpleNamespace(conf=None), "params": {}, "task": bare}
            with pytest.raises(NotReady, match=f"no result of .*, which {task.task_id} needs") as refused:
                hook(context)
            assert all(before in str(refused.value.fix) for before in task.upstream_task_ids)


PAYMENT = {"statement_id": "A-202611-000001", "paid_on": "2026-11-05", "reference": "x", "reason": "r"}


def run(dag: Any, conf: dict[str, Any], by_hand: str | None = None) -> Any:
    """A run as `airflow dags test -c` makes it; `by_hand`: the tasks that are set to success instead of being run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dag.test(run_conf=conf, mark_success_pattern=by_hand)


@pytest.mark.parametrize(
    ("dag_id", "conf", "nearest"),
    [
        ("mark_as_paid", PAYMENT | {"dryrun": True}, "dry_run"),
        ("connector_statements", {"period": "2026-11", "perod": "2026-11"}, "period"),
    ],
)
def test_a_real_run_ends_at_its_first_task(
    runnable: dict[str, Any], capsys: pytest.CaptureFixture[str], dag_id: str, conf: dict[str, Any], nearest: str
) -> None:
    """The task itself isn't begun, nothing comes after it, and nothing is tried again."""
    ended = run(runnable[dag_id], conf)
    assert str(ended.state) == "failed"
    states = {instance.task_id: str(instance.state) for instance in ended.get_task_instances()}
    assert set(states.values()) <= {"failed", "upstream_failed"}
    assert f"did you mean '{nearest}'?" in capsys.readouterr().out


def test_a_real_run_with_a_task_set_to_success_by_hand(
    runnable: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """The next task fails at once with what to do, and nothing comes after it."""
    ended = run(runnable["account_statements"], {"period": "2026-11"}, by_hand="assemble|validate")
    states = {instance.task_id: str(instance.state) for instance in ended.get_task_instances()}
    assert states["issue_statements"] == "failed"
    assert set(states.values()) == {"success", "failed", "upstream_failed"}
    assert "there is no result of validate, which issue_statements needs" in capsys.readouterr().out


def test_a_value_that_is_no_param_s_makes_no_run(runnable: dict[str, Any]) -> None:
    """A text isn't a flag, by this way either."""
    with pytest.raises(ParamValidationError, match="dry_run"):
        run(runnable["payment_retries"], {"dry_run": "false"})


@pytest.mark.full
def test_a_month_is_triggered_by_policy_once_and_literally(
    runnable: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow itself makes the run of bill_month; an account's id is no template; the next day the task is skipped."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    from evbilling_airflow import missed_months

    conf = {"period": "2026-10", "reason": "r", "account_ids": ["{{ 7 * 7 }}"]}
    monkeypatch.setattr(missed_months, "forgive_by_policy", lambda _: {"forgiven": 0})
    monkeypatch.setattr(missed_months, "runs_to_trigger", lambda _: [{"run_id": "policy-2026-10-0f", "conf": conf}])
    # Airflow knows a DAG once it has run.
    run(runnable["bill_month"], {"period": "2026-10", "reason": "r", "zzz": 1})
    days = []
    for _ in range(2):
        ended = run(runnable["missed_months"], {})
        days.append({instance.task_id: str(instance.state) for instance in ended.get_task_instances()}["bill"])
    assert days == ["success", "skipped"]
    with create_session() as session:
        (made,) = session.scalars(select(DagRun).where(DagRun.run_id == "policy-2026-10-0f")).all()
    assert (made.dag_id, made.conf, made.logical_date) == ("bill_month", conf, None)
