"""The reference of rules and reasons, made from the rules themselves."""

from __future__ import annotations

from collections.abc import Iterable

from evbilling.scope.billed_accounts import ACCOUNT_FAULTS
from evbilling.scope.connector_faults import FAULTS
from evbilling.scope.rules import RELATIONAL_RULES, RULES

NOTHING_TO_BILL = {
    "NO-CONNECTORS": "The account has no connectors at the count, or the rules exclude all of them",
    "FEE-ZERO": "The fees of its connectors come to nothing",
}


def rules_reference() -> str:
    """Markdown: every rule, fault and reason with its stable id."""
    out = [
        "# Rules and reasons",
        "",
        "Made by `evbilling rules` from the code that applies them; don't edit it by hand. Ids are stable: finance",
        "filters by them. Words in braces are filled in from the account. What is counted, and when: see",
        "`docs/contract.md`.",
        "",
        "## Scope rules",
        "",
        "In this order; each connector is excluded by the first that applies, or billed",
        "(`finance.connector_decisions.rule_id`).",
        "",
        *_rows((rule.rule_id, rule.reason) for rule in RULES),
        *(f"| `{rule_id}` | {reason} |" for rule_id, reason in RELATIONAL_RULES.items()),
        "",
        "## Faults that quarantine an account",
        "",
        "Such an account gets no statement; the others are billed. Mend it and run the period again",
        "(`finance.unbilled_accounts.reason_id`, `is_quarantined`).",
        "",
        *_rows((fault.reason_id, fault.detail.replace("!r}", "}")) for fault in ACCOUNT_FAULTS),
        *(f"| `{f.reason_id}` | connectors with {f.what}; {f.fix} |" for f in FAULTS),
        "| `AMOUNT-TOO-LARGE` | the month's amount is beyond any sensible fee; check it |",
        "",
        "## Nothing to bill",
        "",
        "No statement, and nothing to mend (`finance.unbilled_accounts.reason_id`).",
        "",
        *_rows(NOTHING_TO_BILL.items()),
    ]
    return "\n".join(out) + "\n"


def _rows(pairs: Iterable[tuple[str, str]]) -> list[str]:
    return ["| id | meaning |", "| --- | --- |", *(f"| `{name}` | {meaning} |" for name, meaning in pairs)]
