"""Runs started and followed through Airflow's own REST API in this process, with our real DAGs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from evbilling.errors import BadInput, NotReady
from evbilling_airflow.reporting import REFUSAL
from evbilling_web.actions import dag_runs
from tests.support import airflow_settings  # before Airflow
from tests.support.airflow_server import Airflow, running_airflow

pytestmark = [
    pytest.mark.airflow,
    # Airflow itself reads .airflowignore by a pattern class that pathspec has renamed.
    pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning"),
]

CONF = {"statement_ids": ["A-202611-000001"], "reason": "new card", "expected_total": {"EUR": "5.95"}}


@pytest.fixture(scope="module")
def airflow(dag_bag: Any) -> Iterator[Airflow]:
    """Airflow's web server on a metadata database that knows our DAGs, and no scheduler."""
    with running_airflow("simple") as airflow:
        _make_known(dag_bag)
        yield airflow


@pytest.fixture(scope="module")
def dag_bag() -> Any:
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(str(airflow_settings.DAGS), bundle_path=airflow_settings.DAGS, bundle_name="tests")


def _make_known(dag_bag: Any) -> None:
    """What the DAG processor does after parsing."""
    from airflow.dag_processing.dagbag import sync_bag_to_db
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.session import create_session

    with create_session() as session:
        session.merge(DagBundleModel(name="tests"))
        session.flush()
        sync_bag_to_db(dag_bag, "tests", None, session=session)


def asked(airflow: Airflow, user: str = "user") -> Request:
    """A request of a signed-in user to our pages in that Airflow."""
    headers = [(b"authorization", f"Bearer {airflow.token(user)}".encode())]
    pages = SimpleNamespace(state=SimpleNamespace(airflow=airflow.client.app))
    return Request({"type": "http", "headers": headers, "app": pages})


def start(airflow: Airflow, nonce: str, conf: dict[str, Any] = CONF, user: str = "user", dag: str = "rebill") -> str:
    return asyncio.run(dag_runs.start(asked(airflow, user), dag, nonce, conf, note="new card"))


def test_a_run_is_the_users_and_is_found_again(airflow: Airflow) -> None:
    """Airflow records who is signed in, the Params and the note; the run waits for a scheduler."""
    nonce = dag_runs.new_nonce()
    assert not asyncio.run(dag_runs.is_started(asked(airflow), "rebill", nonce))
    run_id = start(airflow, nonce)
    found = asyncio.run(dag_runs.look(asked(airflow), "rebill", run_id))
    assert (found.state, found.user, found.note) == ("queued", "user", "new card")
    assert CONF.items() <= found.conf.items()
    assert found.queued_at is not None
    assert found.queued_at.tzinfo is not None
    assert asyncio.run(dag_runs.is_started(asked(airflow), "rebill", nonce))


def test_a_repeated_start_is_one_run(airflow: Airflow) -> None:
    """Airflow's own conflict: the same run's id comes back, and its Params stay the first ones."""
    nonce = dag_runs.new_nonce()
    first = start(airflow, nonce)
    assert start(airflow, nonce, CONF | {"reason": "other words"}, user="admin") == first
    found = asyncio.run(dag_runs.look(asked(airflow), "rebill", first))
    assert (found.conf["reason"], found.user) == ("new card", "user")


def test_a_viewer_may_not(airflow: Airflow) -> None:
    """Airflow itself refuses, whatever our pages have checked before."""
    nonce = dag_runs.new_nonce()
    with pytest.raises(HTTPException) as refused:
        start(airflow, nonce, user="viewer")
    assert refused.value.status_code == 403
    assert not asyncio.run(dag_runs.is_started(asked(airflow), "rebill", nonce))


@pytest.mark.parametrize(
    "wrong",
    [
        {"statement_ids": ["x"]},
        {"statement_ids": "A-202611-000001"},
        {"reason": ""},
        {"expected_total": {"euro": "1"}},
        {"dry_run": "maybe"},
    ],
)
def test_what_doesnt_fit_the_params_is_refused(airflow: Airflow, wrong: dict[str, Any]) -> None:
    """Before any run exists."""
    nonce = dag_runs.new_nonce()
    with pytest.raises(BadInput):
        start(airflow, nonce, CONF | wrong)
    assert not asyncio.run(dag_runs.is_started(asked(airflow), "rebill", nonce))


def test_an_unknown_dag_is_said(airflow: Airflow) -> None:
    """Not parsed, or another name: nothing to start, and pages can say so beforehand."""
    with pytest.raises(NotReady):
        start(airflow, dag_runs.new_nonce(), dag="nothing")
    assert "doesn't know the DAG nothing" in str(asyncio.run(dag_runs.why_not_begun(asked(airflow), "nothing")))


def test_a_paused_dag_is_said(airflow: Airflow) -> None:
    """As it comes our actions aren't paused; once somebody pauses one, whoever acts is told."""
    assert asyncio.run(dag_runs.why_not_begun(asked(airflow), "mark_as_paid")) is None
    for is_paused in (True, False):
        answer = airflow.program("admin").patch("/api/v2/dags/mark_as_paid", json={"is_paused": is_paused})
        assert answer.status_code == 200
        said = asyncio.run(dag_runs.why_not_begun(asked(airflow, "viewer"), "mark_as_paid"))
        assert (said is not None) == is_paused


def test_what_a_task_leaves_comes_back_as_it_was(airflow: Airflow) -> None:
    """Rows as a list, a refusal with its parts, also to a viewer; nothing where nothing was left."""
    from airflow.models.xcom import XComModel
    from airflow.sdk.bases.xcom import BaseXCom

    run_id = start(airflow, dag_runs.new_nonce())
    (task,) = asyncio.run(dag_runs.task_states(asked(airflow, "viewer"), "rebill", run_id))
    assert (task["task_id"], task["state"]) == ("charge_again", None)
    assert asyncio.run(dag_runs.xcom(asked(airflow, "viewer"), "rebill", run_id, "charge_again")) is None
    left = {
        "return_value": [{"code": "charged", "amount": "5.95"}, {"detail": "<b>"}],
        REFUSAL: {"what": "no", "fix": None},
    }
    for key, value in left.items():
        # As a task's process sends it, and Airflow then keeps it.
        sent = BaseXCom.serialize_value(value)
        XComModel.set(key=key, value=sent, dag_id="rebill", task_id="charge_again", run_id=run_id, serialize=False)
    for key, value in left.items():
        assert asyncio.run(dag_runs.xcom(asked(airflow, "viewer"), "rebill", run_id, "charge_again", key)) == value
