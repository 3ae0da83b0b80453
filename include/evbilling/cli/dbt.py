"""The finance views as sources of dbt, made from their comments: `evbilling dbt-sources`."""

from __future__ import annotations

import json
import operator
from itertools import groupby
from typing import Any

from evbilling.books.chart import LEDGER_ACCOUNTS
from evbilling.read_models.statement_list import STATUSES, TYPE_LABELS
from evbilling.warehouse import connected, fetch_all

# Columns of which a view has each value once.
KEYS = {
    "approval_policies": "policy_id",
    "audit_events": "event_id",
    "due": "statement_id",
    "journal_exports": "export_id",
    "ledger": "transfer_id",
    "mail": "mail_id",
    "missed_month_policies": "policy_id",
    "payment_attempts": "attempt_id",
    "payment_breaks": "break_id",
    "payment_plans": "statement_id",
    "payments": "payment_id",
    "plans": "plan_id",
    "statements": "statement_id",
}
# Columns whose values are those of another view's column.
REFERS = {
    ("account_statement_items", "statement_id"): ("statements", "statement_id"),
    ("due", "statement_id"): ("statements", "statement_id"),
    ("journal_files", "export_id"): ("journal_exports", "export_id"),
    ("ledger", "statement_id"): ("statements", "statement_id"),
    ("payment_attempts", "statement_id"): ("statements", "statement_id"),
    ("payment_plans", "statement_id"): ("statements", "statement_id"),
    ("payments", "statement_id"): ("statements", "statement_id"),
    ("statements", "corrects_statement_id"): ("statements", "statement_id"),
}
VALUES = {
    ("ledger", "credit_account"): LEDGER_ACCOUNTS,
    ("ledger", "debit_account"): LEDGER_ACCOUNTS,
    ("payments", "paid_by"): ("gateway", "outside"),
    ("statements", "kind"): tuple(TYPE_LABELS),
    ("statements", "status"): tuple(STATUSES.values()),
    ("tie_out", "is_ok"): (True,),
}


def dbt_sources(warehouse_url: str) -> str:
    """YAML: every finance view with its columns, descriptions and tests, for dbt 1.10 and newer."""
    with connected(warehouse_url, what="warehouse") as connection:
        rows = fetch_all(connection, "cli/data_dictionary")
    lines = [
        "# Made by `evbilling dbt-sources` from the comments in `sql/views/`; don't edit it by hand.",
        "version: 2",
        "",
        "sources:",
        "  - name: evbilling",
        '    description: "Billing figures of connectors; columns are only ever added"',
        "    schema: finance",
        "    tables:",
    ]
    for (view, comment), columns in groupby(rows, key=operator.itemgetter(0, 1)):
        lines += [f"      - name: {view}", f"        description: {_text(comment)}", "        columns:"]
        for _, _, name, kind, meaning in columns:
            lines += [
                f"          - name: {name}",
                f"            description: {_text(meaning)}",
                f"            data_type: {_text(kind)}",
                *_tests(view, name),
            ]
    return "\n".join([*lines, ""])


def _tests(view: str, column: str) -> list[str]:
    tests = ["- unique", "- not_null"] if KEYS.get(view) == column else []
    if refers := REFERS.get((view, column)):
        to = f"source('evbilling', '{refers[0]}')"
        tests += ["- relationships:", "    arguments:", f"      to: {to}", f"      field: {refers[1]}"]
    if values := VALUES.get((view, column)):
        tests += ["- accepted_values:", "    arguments:", f"      values: {_text(list(values))}"]
        # Otherwise dbt compares with texts.
        tests += [] if isinstance(values[0], str) else ["      quote: false"]
    return ["            data_tests:", *(f"              {line}" for line in tests)] if tests else []


def _text(value: Any) -> str:
    """JSON, which is YAML as well."""
    return json.dumps(value, ensure_ascii=False)
