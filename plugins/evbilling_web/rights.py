"""Who may do what, in Airflow's terms: the right to an action is the right to trigger its DAG."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import get_user
from airflow.models.dag import DagModel
from fastapi import Depends
from starlette.exceptions import HTTPException

from evbilling_airflow.actions import OperatorAction

SignedIn = Annotated[BaseUser, Depends(get_user)]


@dataclass(frozen=True, slots=True)
class Right:
    """A right of a user: to trigger the DAG `dag_id` or to answer what its tasks ask, or to change settings.

    `permission` completes "may not …".
    """

    permission: str
    dag_id: str | None = None
    is_to_answer: bool = False


CHANGE_SETTINGS = Right("change billing settings")
APPROVE_MONTH = Right("approve or reject a month", "connector_statements", is_to_answer=True)


def right_to(action: OperatorAction) -> Right:
    """The right to an action of the registry."""
    return Right(action.permission, action.dag_id)


def is_allowed(user: BaseUser, right: Right) -> bool:
    """True if Airflow's auth manager grants `user` this right."""
    manager = get_auth_manager()
    if right.dag_id is None:
        # Editing variables is the closest to changing settings that both of Airflow's auth managers know.
        return manager.is_authorized_variable(method="PUT", user=user)
    details = DagDetails(id=right.dag_id, team_name=DagModel.get_team_name(right.dag_id))
    if right.is_to_answer:
        entity = DagAccessEntity.HITL_DETAIL
        return manager.is_authorized_dag(method="PUT", access_entity=entity, details=details, user=user)
    return manager.is_authorized_dag(method="POST", access_entity=DagAccessEntity.RUN, details=details, user=user)


def why_not(user: BaseUser, right: Right) -> str | None:
    """None if `user` has the right, otherwise a sentence that says what is missing."""
    return None if is_allowed(user, right) else refusal(right)


def refusal(right: Right) -> str:
    """The sentence for a user without the right."""
    verb = "answer tasks of" if right.is_to_answer else "trigger"
    needed = f"{verb} the DAG {right.dag_id}" if right.dag_id else "edit variables"
    return f"Your role may not {right.permission}. In Airflow this needs permission to {needed}."


def requires(right: Right) -> Callable[[BaseUser], BaseUser]:
    """A dependency that returns the signed-in user, or answers 403 if the user lacks the right."""

    def allowed(user: SignedIn) -> BaseUser:
        if not is_allowed(user, right):
            raise HTTPException(403, refusal(right))
        return user

    return allowed
