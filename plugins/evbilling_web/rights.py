"""Who may do what, in Airflow's terms: the right to an action is the right to trigger its DAG."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import get_user
from airflow.models.dag import DagModel
from fastapi import Depends
from starlette.exceptions import HTTPException

from evbilling_airflow.actions import ACTIONS

SignedIn = Annotated[BaseUser, Depends(get_user)]


# A right to each action, whose value is the DAG that it triggers, and the right to change settings.
Right = StrEnum("Right", {action.name: action.dag_id for action in ACTIONS} | {"CHANGE_SETTINGS": "settings"})

_WORDS = {action.dag_id: action.permission for action in ACTIONS} | {"settings": "change billing settings"}


def is_allowed(user: BaseUser, right: Right) -> bool:
    """True if Airflow's auth manager grants `user` this right."""
    manager = get_auth_manager()
    if right is Right.CHANGE_SETTINGS:
        # Editing variables is the closest to changing settings that both of Airflow's auth managers know.
        return manager.is_authorized_variable(method="PUT", user=user)
    details = DagDetails(id=right.value, team_name=DagModel.get_team_name(right.value))
    return manager.is_authorized_dag(method="POST", access_entity=DagAccessEntity.RUN, details=details, user=user)


def why_not(user: BaseUser, right: Right) -> str | None:
    """None if `user` has the right, otherwise a sentence that says what is missing."""
    return None if is_allowed(user, right) else refusal(right)


def refusal(right: Right) -> str:
    """The sentence for a user without the right."""
    needed = "edit variables" if right is Right.CHANGE_SETTINGS else f"trigger the DAG {right.value}"
    return f"Your role may not {_WORDS[right]}. In Airflow this needs permission to {needed}."


def requires(right: Right) -> Callable[[BaseUser], BaseUser]:
    """A dependency that returns the signed-in user, or answers 403 if the user lacks the right."""

    def allowed(user: SignedIn) -> BaseUser:
        if not is_allowed(user, right):
            raise HTTPException(403, refusal(right))
        return user

    return allowed
