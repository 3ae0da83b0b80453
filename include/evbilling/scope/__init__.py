"""Which connectors an account is billed for: rules and faults as data, applied to frames; no database, no clock."""

from evbilling.scope.billed_accounts import (
    ACCOUNT_FAULTS,
    BILLED_ACCOUNT_COLUMNS,
    account_faults,
    as_of_snapshot,
    billed_accounts,
    is_among,
    shared_customers,
)
from evbilling.scope.connector_faults import FAULTS
from evbilling.scope.decisions import EXCLUDED_BY, Decided, decide
from evbilling.scope.rules import BILLED_ELSEWHERE, RELATIONAL_RULES, RULE_REASONS, RULES

__all__ = [
    "ACCOUNT_FAULTS",
    "BILLED_ACCOUNT_COLUMNS",
    "BILLED_ELSEWHERE",
    "EXCLUDED_BY",
    "FAULTS",
    "RELATIONAL_RULES",
    "RULES",
    "RULE_REASONS",
    "Decided",
    "account_faults",
    "as_of_snapshot",
    "billed_accounts",
    "decide",
    "is_among",
    "shared_customers",
]
