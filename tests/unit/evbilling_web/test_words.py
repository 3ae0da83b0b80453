"""No page and no message sends people to Airflow's Trigger form for a DAG that bills: it unpauses the DAG."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
BILLING = "connector_statements|account_statements|payment_retries"
SENDS = re.compile(
    rf"(?:\b(?:re-?)?(?:run|trigger|start)(?:ged|ning)?\s+(?:the\s+)?(?:DAG\s+)?(?:<code>|`)?(?:{BILLING})"
    r"|\brun (?:the )?(?:month|period) again|\btrigger (?:the )?(?:month|period)\b|\bUnpause\b)(?! in Airflow's)",
    re.IGNORECASE,
)
# What is on a failed run's task is read where the run is cleared, not triggered.
OF_A_TASK = ("platform/postgres/source.py", "evidence.py", "expectations/validator.py", "run_steps.py")


def pages_and_messages() -> list[Path]:
    """The templates, and the modules with the words of pages, mails and commands."""
    found = [*(ROOT / "plugins").rglob("*.html"), *(ROOT / "plugins").rglob("*.js")]
    found += [*(ROOT / "include" / "evbilling").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]
    return found


def test_nobody_is_sent_to_the_form_that_unpauses() -> None:
    """Pages have a button for it, and where there is none they give the command that leaves a paused DAG paused."""
    assert len(pages_and_messages()) > 150
    sent = {
        f"{path.relative_to(ROOT)}: {found[0]}"
        for path in pages_and_messages()
        if not str(path).endswith(OF_A_TASK)
        for found in SENDS.finditer(path.read_text(encoding="utf-8"))
    }
    assert sent == set()


@pytest.mark.parametrize(
    "words",
    [
        "run the DAG connector_statements for 2026-10 again",
        "Trigger <code>account_statements</code>",
        "Fix the problems and run the month again",
        "unpause payment_retries",
    ],
)
def test_the_pattern_finds_what_it_is_for(words: str) -> None:
    """Words as they once were on pages."""
    assert SENDS.search(words)
