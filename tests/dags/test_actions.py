"""The registry of operators' actions: each entry has its DAG with the same Params, its codes and its page."""

from __future__ import annotations

from typing import Any

import pytest

from evbilling.payments.actions import Action
from evbilling_airflow.actions import ACTIONS, OperatorAction
from evbilling_airflow.defaults import Tag

pytestmark = [
    pytest.mark.airflow,
    # Airflow itself reads .airflowignore by a pattern class that pathspec has renamed.
    pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning"),
    # Airflow's own API imports what Starlette's test client calls deprecated.
    pytest.mark.filterwarnings("ignore:Using `httpx` with `starlette.testclient` is deprecated"),
]


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_an_action_has_its_dag(action: OperatorAction, dag_bag: Any) -> None:
    """Under its id, for operators, with its Params."""
    dag = dag_bag.dags[action.dag_id]
    assert Tag.ACTION in dag.tags
    assert not dag.is_paused_upon_creation
    assert {name: param.dump() for name, param in dag.params.items()} == {
        name: param.dump() for name, param in action.params.items()
    }


def test_each_action_is_declared_once() -> None:
    """The results know the same actions, no two share a page, and each has one."""
    from evbilling_web.actions.routes import ACTION_PAGES

    assert [action.dag_id for action in ACTIONS] == list(Action)
    assert len({action.page for action in ACTIONS}) == len(ACTIONS)
    assert [page.action for page in ACTION_PAGES] == list(ACTIONS)
