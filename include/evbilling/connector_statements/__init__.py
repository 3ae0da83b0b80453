"""The steps of the DAGs connector_statements and correct_statements, a module each, and what both draft.

opening, extraction, decisions (task apply_scope_rules), validation, planning, canary, issue, close; corrections.
`drafts` turns counts into amounts, `stage` has the staging tables. `evbilling.run_steps` has the code that these steps
share with those of account statements.
"""

from evbilling.connector_statements.canary import ask_about_rest, issue_canary
from evbilling.connector_statements.close import close_run
from evbilling.connector_statements.corrections import Correction, correct_statements
from evbilling.connector_statements.decisions import apply_scope_rules
from evbilling.connector_statements.drafts import Drafts, draft_statements
from evbilling.connector_statements.extraction import extract_inventory
from evbilling.connector_statements.issue import AccountOutcome, issue_statements, outcomes_of
from evbilling.connector_statements.opening import open_run
from evbilling.connector_statements.planning import plan_statements, record_answer
from evbilling.connector_statements.stage import draft_run
from evbilling.connector_statements.validation import validate

__all__ = [
    "AccountOutcome",
    "Correction",
    "Drafts",
    "apply_scope_rules",
    "ask_about_rest",
    "close_run",
    "correct_statements",
    "draft_run",
    "draft_statements",
    "extract_inventory",
    "issue_canary",
    "issue_statements",
    "open_run",
    "outcomes_of",
    "plan_statements",
    "record_answer",
    "validate",
]
