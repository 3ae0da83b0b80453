"""From counts to amounts: lines add up to the net, tax is rounded once, and who owes nothing is told why."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evbilling.connector_statements import Drafts, draft_statements
from evbilling.money import from_minor, minor_unit
from evbilling.period import Period
from evbilling.scope import billed_accounts

ITEMS = ("billed", "STATION-ITSELF", "NOT-IN-SERVICE", "SCOPE-CLOSED", "SCOPE-PRIVATE", "BILLED-ELSEWHERE")


def _accounts(*given: dict[str, Any]) -> pd.DataFrame:
    """Accounts in good order but for what each is given; `currency` among it."""
    known, users, terms = [], [], []
    for number, changes in enumerate(given):
        account_id = f"a{number}"
        known.append((account_id, account_id.upper(), "DE", "Europe/Berlin", changes.get("currency", "EUR")))
        users.append((f"u{number}", account_id, changes.get("active", True)))
        terms.append({
            "account_id": account_id,
            "setting_id": number + 1,
            "financial_admin_id": f"u{number}",
            "fee_e4": changes.get("fee_e4", 50_000),
            "dc_fee_e4": changes.get("dc_fee_e4", changes.get("fee_e4", 50_000)),
            "exclude_closed": False,
            "exclude_private": False,
            "tax_rate_e6": changes.get("tax_rate_e6", 190_000),
        })
    return billed_accounts(
        pd.DataFrame(known, columns=["account_id", "name", "country", "time_zone", "currency"], dtype=object),
        pd.DataFrame(users, columns=["user_id", "account_id", "active"], dtype=object),
        pd.DataFrame(terms),
        Period(2026, 11),
        {},
    )


def _summary(*rows: tuple[str, str, str | None, int, str | None]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["account_id", "item", "power_type", "connectors", "detail"]).astype({
        "item": str
    })


def _billed(account_id: str, ac: int = 0, dc: int = 0) -> list[tuple[str, str, str, int, None]]:
    return [(account_id, "billed", power, n, None) for power, n in (("AC", ac), ("DC", dc)) if n]


def _unbilled(drafts: Drafts) -> list[tuple[Any, ...]]:
    columns = ["account_id", "reason_id", "expected_connector_count", "expected_amount", "currency"]
    return list(drafts.unbilled[columns].itertuples(index=False, name=None))


@given(
    st.sampled_from(["JPY", "EUR", "KWD"]),
    st.integers(0, 100_000),
    st.integers(0, 100_000),
    st.integers(0, 5000),
    st.integers(0, 5000),
    st.integers(0, 999_999),
)
def test_lines_add_up_to_the_net_and_tax_is_rounded_once(
    currency: str, fee: int, dc_fee: int, ac: int, dc: int, rate_e6: int
) -> None:
    """The net is the sum of the lines, the tax its half-up rounding, the total both; nothing owed is no statement."""
    step = 10 ** (4 - (minor_unit(currency) or 0))
    accounts = _accounts({
        "currency": currency,
        "fee_e4": fee * step,
        "dc_fee_e4": dc_fee * step,
        "tax_rate_e6": rate_e6,
    })
    is_free = fee == dc_fee == 0
    summary = _summary(("a0", "FEE-ZERO", "AC", 1, None)) if is_free else _summary(*_billed("a0", ac, dc))
    drafts = draft_statements(accounts, summary)
    net = sum([fee] * ac + [dc_fee] * dc)
    tax = (Decimal(net) * rate_e6 / 1_000_000).quantize(Decimal(1), ROUND_HALF_UP)
    if net:
        (row,) = drafts.statements.to_dict("records")
        assert (row["net_minor"], row["tax_minor"], row["total_minor"]) == (net, tax, net + tax)
        assert drafts.unbilled.empty
    else:
        assert drafts.statements.empty
        assert len(drafts.unbilled) == 1


@pytest.mark.parametrize(
    ("currency", "fee_e4", "rate_e6", "connectors", "tax"),
    [
        ("EUR", 5_000, 50_000, 1, 3),  # 0.50 at 5 % is 2.5 cents
        ("EUR", 5_000, 50_000, 3, 8),  # 7.5
        ("EUR", 5_000, 50_000, 5, 13),  # 12.5
        ("JPY", 10_000, 500_000, 1, 1),  # half a yen
        ("KWD", 10, 500_000, 5, 3),  # 2.5 fils
        ("EUR", 5_000, 49_999, 1, 2),  # just below the half
    ],
)
def test_half_a_minor_unit_of_tax_goes_up(currency: str, fee_e4: int, rate_e6: int, connectors: int, tax: int) -> None:
    """Also where the even neighbour is below; in the statement, and in what a held account was expected to bring."""
    terms = {"currency": currency, "fee_e4": fee_e4, "tax_rate_e6": rate_e6}
    drafts = draft_statements(_accounts(terms), _summary(*_billed("a0", ac=connectors)))
    assert drafts.statements["tax_minor"].tolist() == [tax]
    (total,) = drafts.statements["total_minor"]
    held = draft_statements(_accounts(terms | {"active": False}), _summary(*_billed("a0", ac=connectors)))
    expected = str(from_minor(int(total), minor_unit(currency) or 0))
    assert _unbilled(held) == [("a0", "ADMIN-INACTIVE", connectors, expected, currency)]


@given(st.lists(st.tuples(st.sampled_from(ITEMS), st.sampled_from(["AC", "DC"]), st.integers(1, 9)), min_size=1))
def test_kept_and_excluded_are_what_was_extracted(items: list[tuple[str, str, int]]) -> None:
    """Whatever the rules found, billed and excluded connectors add up to those extracted."""
    drafts = draft_statements(_accounts({}), _summary(*[("a0", item, power, n, None) for item, power, n in items]))
    (row,) = drafts.counts.to_dict("records")
    assert row["extracted"] == sum(n for _, _, n in items)
    assert row["billed"] + row["excluded"] == row["extracted"]
    assert row["ac_count"] + row["dc_count"] == row["billed"] == sum(n for item, _, n in items if item == "billed")


@pytest.mark.parametrize(
    ("currency", "fee_e4", "amount"),
    [
        ("EUR", 50_000, "17.85"),  # 3 x 5.00 and 19 %
        ("JPY", 5_000_000, "1785"),
        ("KWD", 12_340, "4.405"),  # 3.702 and 19 % = 4.40538
        ("XYZ", 41_250, "14.7263"),  # no known decimals: four, half up
        (None, 50_000, "17.8500"),
    ],
)
def test_a_quarantined_account_s_expected_money_is_told(currency: str | None, fee_e4: int, amount: str) -> None:
    """An account held back is listed with its connectors and their total in its currency's decimals."""
    accounts = _accounts({"currency": currency, "fee_e4": fee_e4, "active": False})
    drafts = draft_statements(accounts, _summary(*_billed("a0", ac=3)))
    assert drafts.statements.empty
    assert drafts.quarantined == ["a0"]
    assert ("a0", "ADMIN-INACTIVE", 3, amount, currency) in _unbilled(drafts)
    assert {row[2:4] for row in _unbilled(drafts)} == {(3, amount)}


def test_a_fee_with_too_many_decimals_is_expected_at_its_very_value() -> None:
    """Three connectors at 4.125 USD and 19 % were expected to bring 14.73, not three rounded fees."""
    drafts = draft_statements(_accounts({"currency": "USD", "fee_e4": 41_250}), _summary(*_billed("a0", ac=3)))
    assert _unbilled(drafts) == [("a0", "FEE-DECIMALS", 3, "14.73", "USD")]


def test_connectors_at_fault_hold_their_account_back() -> None:
    """A fault of any connector makes an unbilled row with its words, and no statement."""
    summary = _summary(*_billed("a0", ac=2), ("a0", "fault:SCOPE-UNKNOWN", None, 1, "1 connector with ..."))
    drafts = draft_statements(_accounts({}, {}), pd.concat([summary, _summary(*_billed("a1", ac=1))]))
    assert drafts.statements["account_id"].tolist() == ["a1"]
    assert _unbilled(drafts) == [("a0", "SCOPE-UNKNOWN", 2, "11.90", "EUR")]
    assert drafts.unbilled["detail"].tolist() == ["1 connector with ..."]


def test_a_fault_in_several_shards_is_one_reason_with_the_number_of_all() -> None:
    """The same fault found in two shards is told once, with how many connectors it is in all."""
    fault = "fault:SCOPE-UNKNOWN"
    summary = _summary(
        ("a0", fault, None, 1, "1 connector, first x/1"), ("a0", fault, None, 2, "2 connectors, first y/1")
    )
    drafts = draft_statements(_accounts({}), summary)
    assert drafts.unbilled["detail"].tolist() == ["1 connector, first x/1 (3 in all)"]


def test_an_account_without_connectors_is_told_so() -> None:
    """None at the count, and none left by the rules, are both NO-CONNECTORS, each in its own words."""
    drafts = draft_statements(_accounts({}, {}), _summary(("a1", "SCOPE-CLOSED", "AC", 4, None)))
    assert _unbilled(drafts) == [
        ("a0", "NO-CONNECTORS", 0, "0.00", "EUR"),
        ("a1", "NO-CONNECTORS", 0, "0.00", "EUR"),
    ]
    assert drafts.unbilled["detail"].tolist() == [
        "the account has no connectors at the count",
        "all 4 connectors are excluded by the scope rules",
    ]
    assert drafts.quarantined == drafts.nothing_owed == []


@pytest.mark.parametrize(
    ("fees", "items"),
    [
        ({"fee_e4": 0, "dc_fee_e4": 0}, [("FEE-ZERO", "AC", 3)]),
        ({"fee_e4": 0, "dc_fee_e4": 90_000}, [("billed", "AC", 3)]),  # nothing but AC, and AC is free
    ],
)
def test_connectors_that_cost_nothing_are_told_so(fees: dict[str, int], items: list[tuple[str, str, int]]) -> None:
    """Fees of zero make FEE-ZERO with the connectors that would have been billed, whichever fee it is."""
    drafts = draft_statements(_accounts(fees), _summary(*[("a0", item, power, n, None) for item, power, n in items]))
    assert _unbilled(drafts) == [("a0", "FEE-ZERO", 3, "0.00", "EUR")]
    assert drafts.nothing_owed == ["a0"]


def test_a_free_account_whose_connectors_are_all_excluded_has_none_to_bill() -> None:
    """The fee isn't why: with a fee there would be nothing to bill either."""
    drafts = draft_statements(
        _accounts({"fee_e4": 0, "dc_fee_e4": 0}), _summary(("a0", "NOT-IN-SERVICE", "AC", 2, None))
    )
    assert _unbilled(drafts) == [("a0", "NO-CONNECTORS", 0, "0.00", "EUR")]


def test_an_amount_beyond_exact_arithmetic_is_held_back() -> None:
    """A fee that can't be meant holds its account back, named with the exact amount; the others are billed."""
    drafts = draft_statements(
        _accounts({"fee_e4": 10_000_000_000}, {}), _summary(*_billed("a0", ac=50_000), *_billed("a1", ac=1))
    )
    assert drafts.statements["account_id"].tolist() == ["a1"]
    assert _unbilled(drafts) == [("a0", "AMOUNT-TOO-LARGE", 50_000, "59500000000.00", "EUR")]
    assert "5000000000000 minor units" in drafts.unbilled["detail"].tolist()[0]
