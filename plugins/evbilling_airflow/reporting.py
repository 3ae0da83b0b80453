"""How an action's task reports: its results as rows of JSON, and its own error beside them, for a page to show."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeVar

from evbilling.errors import EvbillingError, TransientError

if TYPE_CHECKING:
    from evbilling.payments import PaymentServices
    from evbilling.payments.actions import ActionResult
    from evbilling.services import Services

log = logging.getLogger(__name__)

# The XCom key of the message; Airflow keeps it until the task is tried again.
REFUSAL = "refusal"

# What goes through Airflow's metadata database stays small; the log has every row.
MOST_ROWS = 1_000

_NO_ANSWER = "something outside didn't answer: the warehouse, the platform, the payment gateway or the mail server"

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


def reports(
    act: Callable[[Mapping[str, Any]], list[ActionResult]],
) -> Callable[[Mapping[str, Any]], list[dict[str, str]]]:
    """Log each row that `act` returns and give the rows to Airflow as JSON; an error is kept as by `says_why`."""

    @says_why
    @wraps(act)
    def reported(context: Mapping[str, Any]) -> list[dict[str, str]]:
        from evbilling.payments.actions import line

        results = act(context)
        for result in results:
            log.info("%s%s", "dry run: " if context["params"]["dry_run"] else "", line(result))
        return [result.as_json() for result in results[:MOST_ROWS]]

    return reported


def says_why(
    act: Callable[Concatenate[Mapping[str, Any], _Given], _Result],
) -> Callable[Concatenate[Mapping[str, Any], _Given], _Result]:
    """Keep the message of an error that `act` raises for the pages, without host names, and raise it again."""

    @wraps(act)
    def reporting(context: Mapping[str, Any], /, *given: _Given.args, **named: _Given.kwargs) -> _Result:
        try:
            return act(context, *given, **named)
        except EvbillingError as error:
            # The message of a service that doesn't answer names its address, which belongs in the log only.
            what = _NO_ANSWER if isinstance(error, TransientError) else error.what
            _push(context, {"what": what, "fix": error.fix})
            raise

    return reporting


def report_event(
    services: Services | PaymentServices,
    context: Mapping[str, Any],
    dag_id: str,
    task_id: str,
    event: Literal["begun", "done", "failed"],
    *,
    period: str | None = None,
    detail: str = "",
) -> None:
    """Record in the warehouse that a task began, ended or failed, for finance.service_levels."""
    from evbilling.service_levels import record_dag_event

    with services.warehouse() as connection:
        record_dag_event(
            connection,
            dag_id=dag_id,
            airflow_run_id=context["dag_run"].run_id,
            task_id=task_id,
            event=event,
            period=period,
            detail=detail,
        )


def _push(context: Mapping[str, Any], words: dict[str, str | None]) -> None:
    task_instance = context.get("ti")
    if task_instance is None:
        return
    try:
        task_instance.xcom_push(key=REFUSAL, value=words)
    except Exception:
        # The error itself is what matters; the log has it.
        log.warning("what went wrong couldn't be kept for the pages", exc_info=True)
