"""The approval policy as texts: of a form, of a file."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from evbilling.approvals import COLUMNS, Mode, Policy, parse_policy, read_policies, texts_of
from evbilling.errors import BadInput
from evbilling.period import Period

TYPED = {"effective_from": "2026-11", "mode": "within_limits", "max_money_change_percent": "12.50", "four_eyes": "true"}


def test_what_isn_t_given_is_the_default_and_texts_are_read_back() -> None:
    policy, errors = parse_policy(TYPED)
    assert not errors
    assert policy == Policy(
        Period(2026, 11), Mode.WITHIN_LIMITS, max_money_change_percent=Decimal("12.5"), four_eyes=True
    )
    assert parse_policy(texts_of(policy)) == (policy, {})
    assert tuple(texts_of(policy)) == COLUMNS


@pytest.mark.parametrize(
    ("field", "text", "complaint"),
    [
        ("effective_from", "2026-13", "is not a billing period"),
        ("mode", "sometimes", "is none of at_once, within_limits, always"),
        ("max_money_change_percent", "NaN", "is not a decimal number"),
        ("max_money_change_percent", "-1", "is not a number from 0"),
        ("max_money_change_percent", "1.005", "more than 2 decimals"),
        ("max_accounts_on_hold", "1.5", "is not a whole number"),
        ("four_eyes", "on", "is not true or false"),
        ("deadline_hours", "241", "is not a whole number from 1 to 240"),
        ("remind_hours", "48", "is not less than the 48 hours of the deadline"),
        ("late_after_hours", "0", "is not a whole number from 1"),
        ("canary_statements", "1001", "is not a whole number from 0 to 1,000"),
    ],
)
def test_each_field_says_what_is_wrong(field: str, text: str, complaint: str) -> None:
    policy, errors = parse_policy(TYPED | {field: text})
    assert policy is None
    assert list(errors) == [field]
    assert complaint in errors[field]


def test_a_file_is_taken_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "policy.csv"
    file.write_text("effective_from,mode\n2026-11,always\n2027-01,at_once\n", encoding="utf-8")
    assert read_policies(file) == [Policy(Period(2026, 11), Mode.ALWAYS), Policy(Period(2027, 1))]
    for content, complaint in (
        ("", "has no policy"),
        ("effective_from,mode,colour\n2026-11,always,red\n", "line 1, column 'colour'"),
        ("effective_from,mode\n2026-11,always,x\n", "line 2: has 3 fields"),
        ("effective_from,mode\n2026-11,never\n", "line 2, column mode"),
    ):
        file.write_text(content, encoding="utf-8")
        with pytest.raises(BadInput, match=complaint):
            read_policies(file)
