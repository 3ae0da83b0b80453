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


DOCUMENTS = [*REPO.glob("*.md"), *(REPO / "docs").rglob("*.md")]


def test_links_in_documents_lead_somewhere() -> None:
    """Every relative link and picture of the Markdown files exists, and so does the heading that it names."""
    broken = [
        f"{document.relative_to(REPO)}: {file}{anchor}"
        for document in DOCUMENTS
        for file, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(#[^)]*)?\)", document.read_text(encoding="utf-8"))
        if not _leads_somewhere(document.parent / file if file else document, anchor.removeprefix("#"))
    ]

    assert len(DOCUMENTS) > 5
    assert broken == []


def test_files_named_in_documents_exist() -> None:
    """A path in backticks is in the repository, or a test module; `<name>` and `NN` are placeholders."""
    path = re.compile(r"`((?:dags|docs|include|plugins|sql|tests|unit|integration|e2e|web)/[\w./-]*)`")
    missing = [
        f"{document.relative_to(REPO)}: {name}"
        for document in DOCUMENTS
        for name in path.findall(document.read_text(encoding="utf-8"))
        if "NN_" not in name and not (REPO / name).exists() and not (REPO / "tests" / f"{name}.py").exists()
    ]

    assert missing == []


def _leads_somewhere(target: Path, anchor: str) -> bool:
    if not target.exists() or not anchor:
        return target.exists()
    headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
    return anchor in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
