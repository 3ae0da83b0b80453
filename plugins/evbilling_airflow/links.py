"""Buttons on a task in Airflow that lead to what it left behind."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin

from airflow.sdk import BaseOperatorLink, XComArg, conf


class ValidationResultsLink(BaseOperatorLink):
    """Leads from `validate` to the page with every expectation of the run, also when the task failed."""

    name = "Validation results"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """The page's address. Called in the worker when the task ends, with the running task instance."""
        shards = ti_key.xcom_pull(task_ids="open_run") or []
        opened = shards[0] if shards else ti_key.xcom_pull(task_ids="assemble") or {}
        run_id = opened.get("run_id", 0)
        base = conf.get("api", "base_url", fallback="").rstrip("/") + "/"
        return urljoin(base, f"evbilling/validation/{run_id}")


def with_link(task: XComArg, link: BaseOperatorLink) -> XComArg:
    """`task` with the link on its operator."""
    task.operator.operator_extra_links = (link,)  # type: ignore[attr-defined]
    return task
