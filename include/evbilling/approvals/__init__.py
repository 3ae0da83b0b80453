"""Who lets a month be issued: the policy, its limits against a plan's figures, and the decisions on plans."""

from evbilling.approvals.decisions import (
    APPROVE,
    REJECT,
    Asked,
    Decided,
    Scope,
    answer_of,
    asked_of,
    consult_policy,
    decide,
    decisions_of,
    task_path,
    why_not_theirs,
)
from evbilling.approvals.file import read_policies
from evbilling.approvals.judgement import QUESTIONS, Question, judge, late_by
from evbilling.approvals.policy import (
    COLUMNS,
    LABELS,
    MODE_WORDS,
    Mode,
    Policy,
    RecordedPolicy,
    parse_policy,
    policy_for,
    texts_of,
)
from evbilling.approvals.store import newest_policy_id, record_policy, recorded_policies
from evbilling.approvals.summary import question_about

__all__ = [
    "APPROVE",
    "COLUMNS",
    "LABELS",
    "MODE_WORDS",
    "QUESTIONS",
    "REJECT",
    "Asked",
    "Decided",
    "Mode",
    "Policy",
    "Question",
    "RecordedPolicy",
    "Scope",
    "answer_of",
    "asked_of",
    "consult_policy",
    "decide",
    "decisions_of",
    "judge",
    "late_by",
    "newest_policy_id",
    "parse_policy",
    "policy_for",
    "question_about",
    "read_policies",
    "record_policy",
    "recorded_policies",
    "task_path",
    "texts_of",
    "why_not_theirs",
]
