"""What an action's task leaves of its own error for the pages: its words, no addresses, and never another error."""

from __future__ import annotations

from typing import Any

import pytest

from evbilling.errors import BadInput, EvbillingError, TransientError
from evbilling_airflow import mail
from evbilling_airflow.actions import ACTIONS
from evbilling_airflow.reporting import REFUSAL, says_why

pytestmark = pytest.mark.airflow


class Task:
    """A task instance that keeps what is left with it, or can't."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.left: dict[str, Any] = {}
        self.fault = fault

    def xcom_push(self, key: str, value: Any) -> None:
        if self.fault:
            raise self.fault
        self.left[key] = value


def raising(error: Exception, task: Task | None) -> Exception:
    """What comes out of an action that raises `error`."""

    @says_why
    def act(_: Any) -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        act({"ti": task} if task else {})
    return raised.value


def test_its_words_are_kept_and_it_goes_on() -> None:
    """What and what to do; the very error still fails the task."""
    task, error = Task(), BadInput("too much", where="rebill", fix="less")
    assert raising(error, task) is error
    assert task.left == {REFUSAL: {"what": "too much", "fix": "less"}}


def test_what_doesnt_answer_is_named_without_its_address() -> None:
    """Addresses are for the log."""
    task = Task()
    raising(TransientError("no answer from http://10.0.0.7:1", where="postgresql://10.0.0.8", fix="try again"), task)
    assert "10.0.0" not in str(task.left)
    assert task.left[REFUSAL]["fix"] == "try again"


@pytest.mark.parametrize("task", [None, Task(RuntimeError("no Airflow"))])
def test_where_it_cant_be_kept_the_error_is_the_same(task: Task | None) -> None:
    """Outside Airflow, or with an Airflow that doesn't answer."""
    error = BadInput("too much")
    assert raising(error, task) is error


def test_a_fault_of_the_program_leaves_nothing() -> None:
    """Its words are for programmers: the log has them."""
    task = Task()
    raising(ZeroDivisionError("by zero"), task)
    assert task.left == {}


@pytest.mark.parametrize("act", [*(a.carry_out for a in ACTIONS if a.carry_out), mail.deliver_all])
def test_every_action_says_why(act: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them, also where it fails before it has begun."""
    for name in ("WAREHOUSE", "CHARGING_PLATFORM", "PAYMENT_GATEWAY"):
        monkeypatch.delenv(f"AIRFLOW_CONN_{name}", raising=False)
    task = Task()
    params = {
        "statement_ids": ["A-202611-000001"],
        "statement_id": None,
        "payment_id": None,
        "account_id": None,
        "period": None,
        "reason": "r",
        "paid_on": "2026-11-01",
        "reference": "x",
        "amount": None,
        "currency": None,
        "customer_text": None,
        "approves": None,
        "expected_total": None,
        "dry_run": False,
        "kind": None,
        "debt": "due_again",
        "states": [],
    }
    run = type("Run", (), {"run_id": "r", "triggering_user_name": "ann", "run_type": "manual"})
    with pytest.raises(EvbillingError):
        act({"params": params, "dag_run": run, "ti": task})
    assert "there is no Airflow connection" in task.left[REFUSAL]["what"]
