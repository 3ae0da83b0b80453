"""What a task may know of its run: the period it is for, and who asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from evbilling.errors import BadInput, NotReady
from evbilling.period import Period

if TYPE_CHECKING:
    from evbilling.run_steps import RunRequest


def check_conf(context: Mapping[str, Any]) -> None:
    """Refuse a DAG run whose conf names what is no Param of its DAG: Airflow takes a misspelt name without a word.

    Airflow itself checks each value against its Param, before it. Raises `BadInput` that names the key and the nearest
    Param, or the setting by which Airflow ignores conf.
    """
    dag, conf = context["dag"], context["dag_run"].conf or {}
    for name in conf:
        if name not in dag.params:
            near = get_close_matches(name.lower(), dag.params, 1, 0.5)
            raise BadInput(
                f"conf has {name!r}, which is no Param of {dag.dag_id}",
                where="this DAG run",
                fix=(f"did you mean {near[0]!r}? " if near else "") + f"Its Params are {', '.join(dag.params)}",
            )
        if context["params"][name] != conf[name]:
            raise BadInput(
                f"Airflow ignores {name!r} of conf",
                where="Airflow's setting [core] dag_run_conf_overrides_params",
                fix="set it to True, which is its default",
            )


def check_begin(context: Mapping[str, Any]) -> None:
    """What every task of every DAG begins with: `check_conf` and `check_results`."""
    check_conf(context)
    check_results(context)


def check_results(context: Mapping[str, Any]) -> None:
    """Raise `NotReady` if a task before this one left no result: it was set to success by hand instead of being run.

    Airflow then gives None, or an empty list of the results of a mapped task.
    """
    task = context["task"]
    # An operator that isn't a function of ours has neither.
    for given in (*getattr(task, "op_args", ()), *getattr(task, "op_kwargs", {}).values()):
        if given is None or (isinstance(given, Sequence) and not isinstance(given, str) and not len(given)):
            before = " or ".join(sorted(task.upstream_task_ids))
            raise NotReady(
                f"there is no result of {before}, which {task.task_id} needs: a task that is set to success by hand"
                " doesn't run and has none",
                where="this DAG run",
                fix=f"clear {before} and all after it: it runs then, and what is done already isn't done twice",
            )


def billing_period(context: Mapping[str, Any]) -> Period:
    """The run's period: its partition key, or the Param `period`.

    Never a date and never the clock, so the schedule, a backfill, the API and `dags test` all mean the same month.
    Raises `BadInput` if there is neither, or if the two disagree.
    """
    key = context.get("partition_key") or getattr(context.get("dag_run"), "partition_key", None)
    param = (context.get("params") or {}).get("period")
    if not key and not param:
        raise BadInput(
            "no billing period given",
            where="this DAG run",
            fix="trigger it with a partition key such as 2026-11, or with the Param period",
        )
    if key and param and key != param:
        raise BadInput(
            f"the partition key says {key}, the Param period says {param}",
            where="this DAG run",
            fix="give one of them",
        )
    return Period.parse(key or param)


def actor(context: Mapping[str, Any]) -> str:
    """Who caused the run: the signed-in user, or the kind of run (`airflow:scheduled`)."""
    run = context["dag_run"]
    return getattr(run, "triggering_user_name", None) or f"airflow:{getattr(run.run_type, 'value', run.run_type)}"


def run_request(context: Mapping[str, Any], **limits: Any) -> RunRequest:
    """The request that opens a monthly run, with the `limits` of a run of connector statements.

    A run of bill_month is one of connector_statements that a person has asked for.
    """
    from evbilling.run_steps import RunRequest

    run, params = context["dag_run"], context["params"]
    kind = run.dag_id
    if kind == "bill_month":
        kind = "connector_statements"
        limits["airflow_dag_id"] = run.dag_id
        limits["account_ids"] = account_ids(context)
        limits |= {name: params[name] for name in ("reason", "expected", "plan_hash", "dry_run")}
    return RunRequest(billing_period(context), kind, run.run_id, actor(context), params["deliver"], **limits)


def account_ids(context: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The accounts that the run is of; None: of all."""
    asked = context["params"].get("account_ids")
    return tuple(asked) if asked else None
