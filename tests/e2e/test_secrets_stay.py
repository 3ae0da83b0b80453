"""After the months of the other tests: no secret in any file of the stack, none of a payer in what viewers read."""

from __future__ import annotations

import re

import pytest

from tests.support.secrets import open_to_others, secrets_in_files
from tests.support.stack import Stack

pytestmark = pytest.mark.e2e


def test_files_hold_no_secret_and_are_private(stack: Stack, billed: str) -> None:
    """Logs, state, evidence and mail of a stack that has billed, charged and mailed."""
    assert open_to_others(stack.state.home) == []
    assert secrets_in_files(stack.state) == []


def test_no_id_of_a_payer_is_in_what_viewers_read(stack: Stack, billed: str) -> None:
    """XCom values and task logs name no payment method or customer of the gateway, and no address of a person."""
    query = "select dag_id, run_id, task_id, key, map_index, value::text from xcom"
    texts = {str(row[:-1]): str(row[-1]) for row in stack.admin("airflow", query)}
    logs = stack.state.home / "airflow" / "logs"
    texts |= {str(log): log.read_text(errors="replace") for log in logs.rglob("*.log")}
    assert len(texts) > 10
    wanted = re.compile(r"\b(?:pm|cus)_\w{3,}|[\w.+-]+@operator-\d+\.example")
    found = {place: sorted(set(wanted.findall(text))) for place, text in texts.items() if wanted.search(text)}
    assert found == {}
