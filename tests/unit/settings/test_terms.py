"""An account's settings: what a change carries over, which terms count, what each changed, what a choice means."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from evbilling.errors import BadInput
from evbilling.period import Period
from evbilling.settings import (
    COMPARED,
    BillingState,
    BillingTerms,
    RecordedTerms,
    carry_over,
    history_of,
    notes_on_saving,
    period_choices,
    preview_period,
)

NOW = datetime(2026, 11, 26, tzinfo=UTC)
TERMS = BillingTerms("a", Period(2026, 1), True, "u", Decimal(4), None, False, False, Decimal("0.07"))
OCTOBER, NOVEMBER, DECEMBER = Period(2026, 10), Period(2026, 11), Period(2026, 12)


def recorded(*terms: BillingTerms) -> list[RecordedTerms]:
    """As recorded in this order, a minute apart."""
    return [RecordedTerms(t, "ann", NOW + timedelta(minutes=n), n + 1) for n, t in enumerate(terms)]


def test_history_tells_what_each_setting_changed_and_which_counts() -> None:
    dearer = replace(TERMS, effective_from=NOVEMBER, fee_per_connector=Decimal(5))
    other_admin = replace(TERMS, effective_from=NOVEMBER, fee_per_connector=Decimal(5), financial_admin_id="v")
    backdated = replace(TERMS, effective_from=Period(2026, 6), exclude_closed=True)
    entries = history_of(recorded(TERMS, dearer, other_admin, backdated), NOVEMBER)
    assert [(e.recorded.setting_id, e.is_in_force, e.is_replaced) for e in entries] == [
        (4, False, False),
        (3, True, False),
        (2, False, True),
        (1, False, False),
    ]
    assert [e.changed for e in entries] == [
        {"exclude_closed"},
        {"financial_admin_id"},
        {"fee_per_connector"},
        frozenset(COMPARED),
    ]
    assert [e.recorded.setting_id for e in history_of(recorded(TERMS, dearer), OCTOBER) if e.is_in_force] == [1]
    assert history_of([], NOVEMBER) == []


def test_the_next_period_is_the_first_one_not_billed() -> None:
    assert BillingState(None).next_period(NOW) == NOVEMBER
    assert BillingState(NOVEMBER, (NOVEMBER,)).next_period(NOW) == DECEMBER
    assert BillingState(NOVEMBER, (OCTOBER,), faults=((NOVEMBER, "x"),)).next_period(NOW) == NOVEMBER
    assert BillingState(NOVEMBER, (OCTOBER,), faults=((OCTOBER, "x"),)).next_period(NOW) == DECEMBER


def test_periods_to_choose_say_what_is_billed_already() -> None:
    old = Period(2025, 3)
    state = BillingState(NOVEMBER, (OCTOBER,), faults=((NOVEMBER, "x"), (NOVEMBER, "y"), (old, "x")))
    found = {choice.period: choice.note for choice in period_choices(state, NOW, also=[Period(2030, 1)])}
    assert list(found) == sorted(found)
    assert (found[old], found[NOVEMBER]) == ("on hold: a fault to fix",) * 2
    assert (found[OCTOBER], found[Period(2026, 9)]) == ("issued", "billed without this account")
    assert (found[DECEMBER], found[Period(2030, 1)]) == ("", "")
    assert max(period for period in found if period.year < 2030) == Period(2027, 11)


def test_notes_tell_what_a_change_leaves_alone_and_what_ends_it() -> None:
    state = BillingState(NOVEMBER, (NOVEMBER, OCTOBER, Period(2026, 5)))
    said = notes_on_saving(replace(TERMS, effective_from=OCTOBER), state, recorded(TERMS))
    assert len(said) == 1
    assert "2026-10 to 2026-11 are issued, and saving doesn't change them" in said[0]
    assert "To correct them, use Correct on the statement afterwards" in said[0]
    later = recorded(replace(TERMS, effective_from=Period(2027, 2)), replace(TERMS, effective_from=Period(2027, 1)))
    (said_of_later,) = notes_on_saving(replace(TERMS, effective_from=DECEMBER), state, later)
    assert "until 2026-12: from 2027-01 on the setting recorded by ann applies" in said_of_later
    assert notes_on_saving(replace(TERMS, effective_from=DECEMBER), state, recorded(TERMS)) == []


def test_the_period_shown_is_the_first_billed_under_the_terms() -> None:
    state = BillingState(NOVEMBER, (NOVEMBER,))
    assert preview_period(replace(TERMS, effective_from=OCTOBER), state, recorded(TERMS), NOW) == DECEMBER
    assert preview_period(replace(TERMS, effective_from=Period(2027, 3)), state, [], NOW) == Period(2027, 3)
    # From November on another setting counts: the proposed one is only ever true of October.
    later = recorded(replace(TERMS, effective_from=NOVEMBER))
    assert preview_period(replace(TERMS, effective_from=OCTOBER), state, later, NOW) == OCTOBER


IN_FORCE = BillingTerms("a", Period(2020, 1), True, "u", Decimal(4), Decimal(9), False, True, Decimal("0.07"))


def test_what_is_not_given_carries_over() -> None:
    later = carry_over(IN_FORCE, "a", Period(2020, 5), {"fee_per_connector": Decimal(5)})
    assert later == BillingTerms("a", Period(2020, 5), True, "u", Decimal(5), Decimal(9), False, True, Decimal("0.07"))


def test_none_is_a_value_too() -> None:
    later = carry_over(IN_FORCE, "a", Period(2020, 5), {"fee_per_dc_connector": None, "financial_admin_id": None})
    assert later.fee_per_dc_connector is None
    assert later.financial_admin_id is None


def test_a_new_account_needs_everything_but_the_dc_fee() -> None:
    given = {
        "charge_connectors": True,
        "financial_admin_id": "u",
        "fee_per_connector": Decimal(4),
        "exclude_closed": False,
        "exclude_private": False,
        "tax_rate": Decimal(0),
    }
    assert carry_over(None, "b", Period(2020, 5), given).fee_per_dc_connector is None
    with pytest.raises(BadInput, match=r"give --charge or --no-charge, --admin, .*--tax-rate too"):
        carry_over(None, "b", Period(2020, 5), {"fee_per_connector": Decimal(4)})
