"""The tasks that wait for a person: Airflow's own question, and the record of the answer in the warehouse.

The question is a pause and no record: whoever answers it is looked at again when the answer is recorded, and publishing
goes by the record alone. A rejection, or no answer in time, fails the run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param, get_current_context, task

from evbilling.errors import NotReady
from evbilling_airflow.context import actor
from evbilling_airflow.reporting import says_why

# As `evbilling.approvals` names them; a DAG file is parsed without the warehouse's libraries.
APPROVE, REJECT = "Issue and charge", "Reject"

ASKED = "Wait until a person approves or rejects the plan: here, on the page Month, or by `evbilling approve`."
ASKED_AGAIN = "Wait until a person has looked at the canary and approves or rejects the rest, as in `approve`."
CANARY = "Accounts to issue first, an id a line; you are asked again about the rest. Empty: as the policy says."


def _field(value: str, title: str, description: str, **more: str) -> Param:
    return Param(value, type="string", title=title, description=description, source="task", **more)


class AskForApproval(HITLOperator):
    """Waits until a person answers about one plan, or its deadline passes, which counts as a rejection.

    `waiting` is an item of what the task plan returns: {"is_asked", "subject", "body", "plan_hash", …}. Where nobody
    is asked it goes on at once, without an answer.
    """

    def __init__(self, *, waiting: Mapping[str, Any], **kwargs: Any) -> None:
        # Those of the DAG, which a mapped task is given, are no fields of this form.
        kwargs.pop("params", None)
        self.is_asked = bool(waiting.get("is_asked", True))
        canary = _field("", "Canary", CANARY, format="multiline")
        super().__init__(
            subject=waiting["subject"],
            body=waiting["body"],
            options=[APPROVE, REJECT],
            defaults=REJECT,
            params={
                "reason": _field("", "Reason", "Why; kept with the decision."),
                "plan_hash": _field(waiting["plan_hash"], "Plan", "The plan that you decide on."),
                **({} if waiting.get("scope") == "rest" else {"canary_accounts": canary}),
            },
            response_timeout=timedelta(hours=waiting["deadline_hours"]),
            **kwargs,
        )

    def execute(self, context: Any) -> Any:
        """Ask; raises `NotReady` in `airflow dags test`, where nobody can answer."""
        if not self.is_asked:
            return {}
        if actor(context) == "dag_test":
            raise NotReady(
                f"{self.subject}, and `airflow dags test` can't be answered:\n{self.body}",
                where="this DAG run",
                fix="ask for it on its page, with Airflow up, and approve it there, or set a policy under which it is"
                " issued at once (page Approval, `evbilling policy`)",
            )
        return super().execute(context)

    def validate_params_input(self, params_input: Mapping[str, Any]) -> None:
        """Nothing is refused here, where the answer would be lost: the task that records it says what is wrong."""


def ask(waiting: Any) -> Any:
    """The two tasks that ask a person about what waits and record the answer; both are skipped if nothing waits.

    Returns what the second gives: the canaries to issue first, as a rule none, each {"run_id"}.
    """
    answers: Any = AskForApproval.partial(task_id="approve", doc_md=ASKED).expand(waiting=waiting).output

    @task
    def record_decision(waiting: list[dict[str, Any]], answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Record in the warehouse who approved the plan; a rejection, or no answer in time, fails the run."""
        scopes = record(get_current_context(), waiting, answers)
        return [{"run_id": asked["run_id"]} for asked, scope in zip(waiting, scopes, strict=True) if scope == "canary"]

    return record_decision(waiting, answers)


def ask_again(waiting: Any) -> Any:
    """The two tasks that ask a person about the rest, once a canary is mailed; both are skipped if there is none."""
    answers: Any = AskForApproval.partial(task_id="approve_rest", doc_md=ASKED_AGAIN).expand(waiting=waiting).output

    @task
    def record_rest(waiting: list[dict[str, Any]], answers: list[dict[str, Any]]) -> None:
        """Record in the warehouse who approved the rest; a rejection, or no answer in time, fails the run."""
        record(get_current_context(), waiting, answers)

    return record_rest(waiting, answers)


@says_why
def record(
    context: Mapping[str, Any], waiting: Sequence[Mapping[str, Any]], answers: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Record what was answered about each plan that a person was asked about, once; returns what each is about.

    Raises `NotReady` for a rejection or if nobody answered in time, `BadInput` for an answer that can't be accepted.
    """
    from evbilling.approvals import accounts_in
    from evbilling.connector_statements import record_answer
    from evbilling_airflow.connections import services

    scopes = []
    for asked, answer in zip(waiting, answers, strict=True):
        scope = str(asked.get("scope", ""))
        # What an older release asked has no such word.
        if not asked.get("is_asked", True):
            scopes.append(scope)
            continue
        person, given = answer["responded_by_user"], answer["params_input"]
        decided = record_answer(
            services(with_platform=False),
            int(asked["run_id"]),
            plan_id=int(asked["plan_id"]),
            # The plan that the person has seen; nobody has who let the deadline pass.
            plan_hash=str((person and given.get("plan_hash")) or asked["plan_hash"]),
            scope=scope,
            approved=answer["chosen_options"] == [APPROVE],
            actor=str(person["name"]) if person else None,
            reason=str(given.get("reason") or ""),
            canary=() if scope == "rest" else accounts_in(str(given.get("canary_accounts") or "")),
        )
        scopes.append(decided)
    return scopes
