"""What an action's task says of its own error, kept beside its result, so that a page can show it without a log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar

from evbilling.errors import EvbillingError, TransientError

log = logging.getLogger(__name__)

# The key under which Airflow keeps it (XCom) until the task is tried again.
REFUSAL = "refusal"

_SILENT = "something outside didn't answer: the warehouse, the platform, the payment gateway or the mail server"

_Result = TypeVar("_Result")


def says_why(act: Callable[[Mapping[str, Any]], _Result]) -> Callable[[Mapping[str, Any]], _Result]:
    """Let what `act` raises go on, once its words are kept: what is wrong and what to do, without names of hosts."""

    @wraps(act)
    def told(context: Mapping[str, Any]) -> _Result:
        try:
            return act(context)
        except EvbillingError as error:
            # What doesn't answer is named with its address, which is for the log.
            what = _SILENT if isinstance(error, TransientError) else error.what
            _keep(context, {"what": what, "fix": error.fix})
            raise

    return told


def _keep(context: Mapping[str, Any], words: dict[str, str | None]) -> None:
    task_instance = context.get("ti")
    if task_instance is None:
        return
    try:
        task_instance.xcom_push(key=REFUSAL, value=words)
    except Exception:
        # The error itself is what matters; the log has it.
        log.warning("what went wrong couldn't be kept for the pages", exc_info=True)
