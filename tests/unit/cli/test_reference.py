"""The documents that are made from the code are the code's."""

from __future__ import annotations

import re
from pathlib import Path

from evbilling.cli.reference import NOTHING_TO_BILL, PLAN_REASONS, rules_reference
from evbilling.connector_statements.drafts import FEE_ZERO, NO_CONNECTORS
from evbilling.payments.retries import planner

REPO = Path(__file__).resolve().parents[3]


def test_rules_reference_is_current() -> None:
    """docs/rules.md is what `evbilling rules` prints."""
    assert rules_reference() == (REPO / "docs" / "rules.md").read_text(encoding="utf-8")


def test_every_reason_of_a_plan_is_described() -> None:
    """Whatever the planner gives as a reason stands in the reference, but for what is only ever a refusal."""
    reasons = {value for name, value in vars(planner).items() if name.isupper() and isinstance(value, str)}
    assert set(PLAN_REASONS) - {"TO-BE-PLANNED"} == reasons - {planner.TOO_SOON}


def test_nothing_to_bill_reasons_are_all_described() -> None:
    """The reasons for an account without a fault to get no statement stand in the reference."""
    assert {NO_CONNECTORS, FEE_ZERO} == set(NOTHING_TO_BILL)


def test_links_in_documents_lead_somewhere() -> None:
    """Every relative link and picture of the Markdown files exists."""
    documents = [*REPO.glob("*.md"), *(REPO / "docs").rglob("*.md")]
    broken = [
        f"{document.relative_to(REPO)}: {target}"
        for document in documents
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text(encoding="utf-8"))
        if not (document.parent / target).exists()
    ]

    assert len(documents) > 5
    assert broken == []
