"""Who may do what, in Airflow's own terms: an action's right is the right to run its DAG."""

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
    """True if Airflow's auth manager gives `user` this right."""
    manager = get_auth_manager()
    if right is Right.CHANGE_SETTINGS:
        # Of all that both of Airflow's auth managers tell apart, changing variables is what changing settings is like.
        return manager.is_authorized_variable(method="PUT", user=user)
    details = DagDetails(id=right.value, team_name=DagModel.get_team_name(right.value))
    return manager.is_authorized_dag(method="POST", access_entity=DagAccessEntity.RUN, details=details, user=user)


def why_not(user: BaseUser, right: Right) -> str | None:
    """None if `user` has the right, else a sentence that says what is missing."""
    return None if is_allowed(user, right) else refusal(right)


def refusal(right: Right) -> str:
    """What is said to somebody without the right."""
    if right is Right.CHANGE_SETTINGS:
        return f"Your role may not {_WORDS[right]}: in Airflow that takes the right to edit variables."
    return f"Your role may not {_WORDS[right]}: in Airflow that takes the right to trigger the DAG {right.value}."


def requires(right: Right) -> Callable[[BaseUser], BaseUser]:
    """A dependency that gives back the signed-in user, or refuses with 403 whoever lacks the right."""

    def allowed(user: SignedIn) -> BaseUser:
        if not is_allowed(user, right):
            raise HTTPException(403, refusal(right))
        return user

    return allowed
