"""The documents that are made from the code are the code's."""

from __future__ import annotations

import re
from pathlib import Path

from evbilling.cli.reference import (
    NOTHING_TO_BILL,
    PLAN_REASONS,
    contract_reference,
    letters_reference,
    rules_reference,
)
from evbilling.connector_statements.drafts import FEE_ZERO, FORGIVEN, NO_CONNECTORS
from evbilling.payments.actions import CHARGE_REFUSALS
from evbilling.payments.gateway.refusals import CUSTOMER_MISSING, KEY_REFUSED, LISTED, how_to_fix
from evbilling.payments.reconciliation import WHAT_TO_DO
from evbilling.payments.retries import planner

REPO = Path(__file__).resolve().parents[3]


def test_rules_reference_is_current() -> None:
    """docs/rules.md is what `evbilling rules` prints."""
    assert rules_reference() == (REPO / "docs" / "rules.md").read_text(encoding="utf-8")


def test_letters_reference_is_current() -> None:
    """docs/letters.md is what `evbilling letters` prints."""
    assert letters_reference() == (REPO / "docs" / "letters.md").read_text(encoding="utf-8")


def test_accepted_types_are_current() -> None:
    """The section of docs/contract.md about types is what `evbilling contract` prints, and no other lists any."""
    assert contract_reference() in (REPO / "docs" / "contract.md").read_text(encoding="utf-8")


def test_every_reason_of_a_plan_is_described() -> None:
    """Whatever the planner gives as a reason stands in the reference, but for what is only ever a refusal."""
    reasons = {value for name, value in vars(planner).items() if name.isupper() and isinstance(value, str)}
    assert set(PLAN_REASONS) - {"TO-BE-PLANNED"} == reasons - {planner.TOO_SOON}


def test_nothing_to_bill_reasons_are_all_described() -> None:
    """The reasons for an account without a fault to get no statement stand in the reference."""
    assert {NO_CONNECTORS, FEE_ZERO, FORGIVEN} == set(NOTHING_TO_BILL)


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


RUNBOOKS = [*(REPO / "docs" / "runbooks").glob("*.md")]
_DAGS = {path.stem for path in (REPO / "dags").glob("*.py")}
_SOURCES = [path for folder in ("include", "plugins", "dags", "sql") for path in (REPO / folder).rglob("*.*")]


def test_whoever_is_told_to_backfill_learns_what_a_paused_dag_does_with_it() -> None:
    """Airflow takes a backfill of a paused DAG and only queues it: each page that has the command says so."""
    pages = [REPO / "README.md", *(REPO / "docs").rglob("*.md"), *(REPO / "dags").glob("*.py")]
    texts = {page.name: " ".join(page.read_text(encoding="utf-8").split()) for page in pages}
    backfilling = {name: text for name, text in texts.items() if "airflow backfill create" in text}
    assert len(backfilling) >= 3
    silent = [name for name, text in backfilling.items() if "only queue" not in text or "paused" not in text]
    assert silent == []
    assert "airflow backfill create" not in texts["README.md"]


def test_what_people_are_told_to_run_exists() -> None:
    """What to do about a break, a refusal or a plan names DAGs and commands that are there; so do the runbooks."""
    told = [
        *WHAT_TO_DO.values(),
        *CHARGE_REFUSALS.values(),
        *PLAN_REASONS.values(),
        *map(how_to_fix, [*LISTED, CUSTOMER_MISSING, KEY_REFUSED]),
    ]
    code = "\n".join(path.read_text(encoding="utf-8") for path in _SOURCES if path.suffix in {".py", ".sql", ".html"})
    words = set(re.findall(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+", code))
    named = set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", "\n".join(told)))
    assert named - _DAGS <= {"payment_gateway", "payment_customer", "payment_breaks"}
    commands = set(re.findall(r"add_parser\(\s*\"([a-z-]+)\"", code)) | {"show", "set", "load"}
    unknown = []
    for runbook in RUNBOOKS:
        text = runbook.read_text(encoding="utf-8")
        dags = set(re.findall(r"airflow (?:dags [a-z]+|backfill create --dag-id) ([a-z_]+)", text))
        dags |= set(re.findall(r"(?:DAGs?|[Tt]rigger) `([a-z_]+)`", text))
        spans = set(re.findall(r"`([a-z][a-z0-9]*(?:_[a-z0-9]+)+)`", text))
        lines = set(re.findall(r"(?m)(?:^|`)evbilling ([a-z-]+)", text))
        unknown += [
            f"{runbook.name}: {name}"
            for name in (dags - _DAGS)
            | {name for name in spans - words if not name.startswith("pg_")}
            | (lines - commands)
        ]
    assert unknown == []
