"""A fake of Airflow's REST API with our own DAGs' tasks behind it: it checks the Params as Airflow does, and does
what the DAG does, by the same adapters."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Annotated, Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import get_user, requires_access_dag
from airflow.sdk import Param
from airflow.sdk.exceptions import ParamValidationError
from fastapi import Body, Depends, FastAPI
from starlette.exceptions import HTTPException

from evbilling.errors import EvbillingError, TransientError
from evbilling_airflow import actions, books, mail
from evbilling_airflow import connector_statements as steps

# Of each DAG its Params, and its tasks in order.
Tasks = dict[str, Callable[[Mapping[str, Any]], Any]]
DAGS: dict[str, tuple[Mapping[str, Param], Tasks]] = {
    action.dag_id: (action.params, {task: action.carry_out})  # type: ignore[dict-item]
    for action, task in (
        (actions.REBILL, "charge_again"),
        (actions.MARK_AS_PAID, "record_payment"),
        (actions.UNDO_MARK_AS_PAID, "reverse_payment"),
        (actions.ACKNOWLEDGE_REFUND, "book_refund"),
        (actions.ADJUST_STATEMENT, "adjust"),
        (actions.WRITE_OFF, "write_off_debt"),
        (actions.REFUND_OUTSIDE, "book_refund"),
        (actions.REFUND_PAYMENT, "give_back"),
        (actions.SEND_MAIL, "request"),
    )
}
DAGS[actions.EXPORT_JOURNAL.dag_id] = (actions.EXPORT_JOURNAL.params, {"export": books.export_journal})
DAGS["mail_delivery"][1]["deliver"] = mail.deliver_all


def _correct(context: Mapping[str, Any]) -> Any:
    """All tasks of correct_statements, one after the other."""
    parts = map(steps.apply_scope_rules, map(steps.extract_inventory, steps.open_run(context)))
    corrected = steps.correct(context, steps.validate(list(parts)))
    steps.close_run(corrected)
    return corrected


def _bill(context: Mapping[str, Any]) -> Any:
    """All tasks of bill_month but the mail, one after the other."""
    parts = map(steps.apply_scope_rules, map(steps.extract_inventory, steps.open_run(context)))
    validated = steps.validate(list(parts))
    assert steps.plan(validated, context) == []
    issued = steps.issue_statements(validated)
    steps.charge(context, steps.close_run(issued))
    return issued


DAGS[actions.BILL_MONTH.dag_id] = (actions.BILL_MONTH.params, {"issue_statements": _bill})
DAGS[actions.CORRECT.dag_id] = (actions.CORRECT.params, {"correct": _correct})


@dataclass
class Run:
    """A run of the fake; all of its tasks are in one state, except where one has failed or waits."""

    dag_id: str
    run_id: str
    conf: dict[str, Any]
    user: str
    note: str | None
    queued_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    state: str = "queued"
    task_state: str | None = None
    xcoms: dict[tuple[str, str], Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """What a task's context has for leaving something."""

    run: Run
    task_id: str

    def xcom_push(self, key: str, value: Any) -> None:
        self.run.xcoms[self.task_id, key] = value


class FakeAirflow:
    """Airflow as the pages see it. A run waits until `work` is called."""

    def __init__(self) -> None:
        self.runs: dict[tuple[str, str], Run] = {}
        self.paused: set[str] = set()
        self.unknown: set[str] = set()
        # What users did, newest first, as Airflow's log has it.
        self.events: list[dict[str, Any]] = []
        self.posts: list[dict[str, Any]] = []
        # Who answered what, by run and task.
        self.answers: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {}
        self.api = self._api()

    def work(self) -> None:
        """Do what waits, as the scheduler and a worker would."""
        for run in list(self.runs.values()):
            if run.state in {"queued", "running"} and run.dag_id not in self.paused:
                self._work_on(run)

    def only(self) -> Run:
        """The only run there is."""
        (run,) = self.runs.values()
        return run

    def _work_on(self, run: Run) -> None:
        dag_run = SimpleNamespace(
            dag_id=run.dag_id, run_id=run.run_id, triggering_user_name=run.user, run_type="manual"
        )
        context = {"params": resolved(run.dag_id, run.conf), "dag_run": dag_run}
        run.xcoms.clear()
        try:
            for task_id, act in DAGS[run.dag_id][1].items():
                run.xcoms[task_id, "return_value"] = act(context | {"ti": Task(run, task_id)})
        except TransientError:
            run.state, run.task_state = "running", "up_for_retry"
        except EvbillingError:
            run.state = run.task_state = "failed"
        else:
            run.state = run.task_state = "success"

    def _run(self, dag_id: str, run_id: str) -> Run:
        if (dag_id, run_id) not in self.runs:
            raise HTTPException(404, f"The DagRun with dag_id: `{dag_id}` and run_id: `{run_id}` was not found")
        return self.runs[dag_id, run_id]

    def _api(self) -> FastAPI:
        api = FastAPI()
        sees = [Depends(requires_access_dag("GET", DagAccessEntity.RUN))]
        acts = [Depends(requires_access_dag("POST", DagAccessEntity.RUN))]

        @api.get("/api/v2/dags", dependencies=sees)
        def dags(paused: bool, tags: str) -> dict[str, Any]:
            assert (paused, tags) == (True, "billing")
            return {"dags": [{"dag_id": dag_id} for dag_id in sorted(self.paused)]}

        @api.get("/api/v2/eventLogs", dependencies=sees)
        def event_logs(event: str, order_by: str) -> dict[str, Any]:
            assert (event, order_by) == ("patch_dag", "-when")
            return {"event_logs": self.events}

        @api.get("/api/v2/dags/{dag_id}", dependencies=sees)
        def dag(dag_id: str) -> dict[str, Any]:
            if dag_id in self.unknown:
                raise HTTPException(404, f"Dag with id {dag_id} was not found")
            return {"dag_id": dag_id, "is_paused": dag_id in self.paused}

        @api.post("/api/v2/dags/{dag_id}/dagRuns", dependencies=acts)
        def start(dag_id: str, body: Annotated[dict[str, Any], Body()], user: Annotated[Any, Depends(get_user)]) -> Any:
            self.posts.append(body)
            assert body["logical_date"] is None
            run_id = body["dag_run_id"]
            if (dag_id, run_id) in self.runs:
                raise HTTPException(409, "DagRun already exists")
            try:
                resolved(dag_id, body["conf"])
            except ParamValidationError as error:
                raise HTTPException(400, str(error)) from error
            run = Run(dag_id, run_id, body["conf"], user.get_name(), body["note"])
            self.runs[dag_id, run_id] = run
            return _told(run)

        @api.get("/api/v2/dags/{dag_id}/dagRuns/{run_id}", dependencies=sees)
        def look(dag_id: str, run_id: str) -> Any:
            return _told(self._run(dag_id, run_id))

        @api.get("/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances", dependencies=sees)
        def tasks(dag_id: str, run_id: str) -> Any:
            run = self._run(dag_id, run_id)
            return {"task_instances": [{"task_id": task_id, "state": run.task_state} for task_id in DAGS[dag_id][1]]}

        answers = [Depends(requires_access_dag("PUT", DagAccessEntity.HITL_DETAIL))]
        question = "/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/{map_index}/hitlDetails"

        @api.patch(question, dependencies=answers)
        def answer(
            run_id: str, task_id: str, body: Annotated[dict[str, Any], Body()], user: Annotated[Any, Depends(get_user)]
        ) -> Any:
            if (run_id, task_id) in self.answers:
                raise HTTPException(409, "has already been updated")
            self.answers[run_id, task_id] = (user.get_name(), body)
            return {"responded_by": {"id": user.get_id(), "name": user.get_name()}}

        @api.get("/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}", dependencies=sees)
        def xcom(dag_id: str, run_id: str, task_id: str, key: str) -> Any:
            run = self._run(dag_id, run_id)
            if (task_id, key) not in run.xcoms:
                raise HTTPException(404, "XCom entry not found")
            return {"key": key, "value": run.xcoms[task_id, key]}

        return api


def resolved(dag_id: str, conf: Mapping[str, Any]) -> dict[str, Any]:
    """The Params of a run, as Airflow makes them of the DAG's and of what is given; raises for what doesn't fit."""
    params = {name: copy.deepcopy(param) for name, param in DAGS[dag_id][0].items()}
    assert set(conf) <= set(params), f"{dag_id} has no Params {set(conf) - set(params)}"
    return {name: param.resolve(conf[name]) if name in conf else param.resolve() for name, param in params.items()}


def _told(run: Run) -> dict[str, Any]:
    return {
        "dag_run_id": run.run_id,
        "state": run.state,
        "triggering_user_name": run.user,
        "note": run.note,
        "conf": run.conf,
        "queued_at": run.queued_at.isoformat().replace("+00:00", "Z"),
    }


def long_ago(run: Run) -> None:
    """Make a run wait for minutes already."""
    run.queued_at -= timedelta(minutes=5)
