"""The reference of why an account gets no account statement, made from the rules themselves."""

from __future__ import annotations

from evbilling.account_statements.eligibility import ADDRESS_FAULTS, AMOUNT_FAULTS


def withheld_reference() -> str:
    """Markdown: the reasons in finance.withheld_account_statements."""
    out = [
        "## Accounts whose account statement is withheld",
        "",
        "Its items wait for the next one; mend it and run the month again (`finance.withheld_account_statements`).",
        f"Besides {', '.join(f'`{reason}`' for reason in ADDRESS_FAULTS)}, which are described above:",
        "",
        "| id | meaning |",
        "| --- | --- |",
        *(f"| `{reason}` | {detail} |" for reason, detail in AMOUNT_FAULTS.items()),
    ]
    return "\n".join(out) + "\n"
