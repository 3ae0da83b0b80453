"""Rules and faults on whole inventories: one decision per connector and account, the first rule wins."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from evbilling.platform.inventory import INVENTORY_SCHEMA
from evbilling.scope import BILLED_ELSEWHERE, EXCLUDED_BY, FAULTS, RULE_REASONS, RULES, Decided, decide


@dataclass(frozen=True)
class Connector:
    """One row of an inventory."""

    account_id: str
    charger_id: str = "x"
    connector_id: int = 1
    power_type: str | None = "AC"
    status: str | None = "in_service"
    scope_status: str | None = "Public"
    conflict: str | None = None


@dataclass(frozen=True)
class Terms:
    """What `decide` needs of an account."""

    account_id: str
    fee_minor: int = 500
    dc_fee_minor: int = 900
    exclude_closed: bool = False
    exclude_private: bool = False
    instant: int = 0
    is_quarantined: bool = False


def _table(connectors: list[Connector]) -> pa.Table:
    schema = INVENTORY_SCHEMA.append(pa.field("conflict", pa.dictionary(pa.int32(), pa.string())))
    return pa.Table.from_pylist([vars(c) for c in connectors], schema=schema)


def _accounts(terms: list[Terms]) -> pd.DataFrame:
    frame = pd.DataFrame([vars(t) for t in terms])
    frame["is_free"] = (frame["fee_minor"] == 0) & (frame["dc_fee_minor"] == 0)
    frame["count_instant"] = pd.Timestamp("2026-10-31 10:00", tz="UTC") + pd.to_timedelta(
        frame.pop("instant"), unit="h"
    )
    return frame


def _decide(connectors: list[Connector], terms: list[Terms]) -> Decided:
    return decide(_table(connectors), _accounts(terms))


def _rule(connector: Connector, terms: Terms) -> str | None:
    """The first rule that applies, in plain words."""
    if connector.connector_id == 0:
        return "STATION-ITSELF"
    if connector.status != "in_service":
        return "NOT-IN-SERVICE"
    if connector.scope_status == "Closed" and terms.exclude_closed:
        return "SCOPE-CLOSED"
    if connector.scope_status == "Private" and terms.exclude_private:
        return "SCOPE-PRIVATE"
    return "FEE-ZERO" if terms.fee_minor == terms.dc_fee_minor == 0 else None


def _rows(decided: Decided) -> list[tuple[Any, ...]]:
    frame = decided.decisions.to_pandas().astype(object)
    frame = frame.where(frame.notna(), None)
    columns = ["account_id", "charger_id", "connector_id", "rule_id", "unit_price_minor"]
    return list(frame[columns].itertuples(index=False, name=None))


def _counted(decided: Decided) -> dict[tuple[Any, ...], int]:
    frame = decided.summary.astype(object)
    frame = frame.where(frame.notna(), None)
    return {
        (row.account_id, row.item, row.power_type, row.detail): row.connectors for row in frame.itertuples(index=False)
    }


sound = st.builds(
    Connector,
    account_id=st.sampled_from(["a", "b", "c"]),
    charger_id=st.sampled_from(["x", "y", "z"]),
    connector_id=st.integers(0, 3),
    power_type=st.sampled_from(["AC", "DC"]),
    status=st.sampled_from(["in_service", "in_service", "planned", "removed"]),
    scope_status=st.sampled_from(["Public", "Private", "Closed"]),
)
sound_inventory = st.lists(sound, max_size=30, unique_by=lambda c: (c.account_id, c.charger_id, c.connector_id))
faulty = st.builds(
    Connector,
    account_id=st.sampled_from(["a", "b", "c"]),
    charger_id=st.sampled_from(["x", "y", "z"]),
    connector_id=st.integers(-1, 3),
    power_type=st.sampled_from(["AC", "DC", "ac", None]),
    status=st.sampled_from(["in_service", "in_service", "broken", None]),
    scope_status=st.sampled_from(["Public", "Closed", "Nobody", None]),
    conflict=st.sampled_from([None, None, None, "duplicate", "overlap"]),
)
# What comes twice has a conflict; how many of it would have been billed is then anybody's guess.
any_inventory = st.lists(sound | faulty, max_size=30, unique_by=lambda c: (c.account_id, c.charger_id, c.connector_id))


@st.composite
def all_terms(draw: st.DrawFn) -> list[Terms]:
    """Terms of the three accounts."""
    return [
        Terms(
            account_id,
            fee_minor=draw(st.sampled_from([0, 500])),
            dc_fee_minor=draw(st.sampled_from([0, 900])),
            exclude_closed=draw(st.booleans()),
            exclude_private=draw(st.booleans()),
            instant=draw(st.integers(0, 2)),
            is_quarantined=draw(st.sampled_from([False, False, False, True])),
        )
        for account_id in ("a", "b", "c")
    ]


@given(sound_inventory, all_terms())
def test_every_connector_has_one_decision_by_the_first_rule(connectors: list[Connector], terms: list[Terms]) -> None:
    """Each connector of an account that isn't held has its one decision; of several that bill it, the earliest does."""
    by_id = {t.account_id: t for t in terms}
    expected = {}
    for c in connectors:
        rule = _rule(c, by_id[c.account_id])
        rivals = [
            (by_id[r.account_id].instant, r.account_id)
            for r in connectors
            if (r.charger_id, r.connector_id) == (c.charger_id, c.connector_id)
            and _rule(r, by_id[r.account_id]) is None
        ]
        if rule is None and min(rivals)[1] != c.account_id:
            rule = BILLED_ELSEWHERE
        event(str(rule))
        price = by_id[c.account_id].dc_fee_minor if c.power_type == "DC" else by_id[c.account_id].fee_minor
        if not by_id[c.account_id].is_quarantined:
            key = (c.account_id, c.charger_id, c.connector_id)
            expected[key] = (rule, price if rule is None else None)
    rows = _rows(_decide(connectors, terms))
    assert len(rows) == len(expected)
    assert {row[:3]: row[3:] for row in rows} == expected


@given(sound_inventory, all_terms())
def test_kept_and_excluded_are_what_was_extracted(connectors: list[Connector], terms: list[Terms]) -> None:
    """The summary counts every connector of every account just once, held accounts too."""
    counted: Counter[str] = Counter()
    for (account_id, item, power_type, detail), n in _counted(_decide(connectors, terms)).items():
        assert item in {"billed", *RULE_REASONS}
        assert power_type in {"AC", "DC"}
        assert detail is None
        counted[account_id] += n
    assert counted == Counter(c.account_id for c in connectors)


@given(sound_inventory, all_terms())
def test_no_connector_is_billed_twice(connectors: list[Connector], terms: list[Terms]) -> None:
    """Whatever moves between accounts, a connector is billed at most once."""
    billed = [row[1:3] for row in _rows(_decide(connectors, terms)) if row[3] is None]
    assert len(billed) == len(set(billed))


@given(any_inventory, all_terms(), st.randoms(use_true_random=False))
def test_the_order_of_the_inventory_makes_no_difference(
    connectors: list[Connector], terms: list[Terms], dice: random.Random
) -> None:
    """A shuffled inventory gives the same summary, faults and their words included, and the same decisions."""
    shuffled = dice.sample(connectors, len(connectors))
    one, other = _decide(connectors, terms), _decide(shuffled, terms)
    assert _counted(one) == _counted(other)
    assert Counter(_rows(one)) == Counter(_rows(other))


@given(st.lists(sound | faulty, max_size=20), all_terms())
def test_accounts_with_a_connector_at_fault_are_held_and_no_others(
    connectors: list[Connector], terms: list[Terms]
) -> None:
    """Staged are the connectors of just those accounts that have no fault, found or known before."""

    def is_faulty(c: Connector) -> bool:
        return (
            c.connector_id < 0
            or c.scope_status not in {"Public", "Private", "Closed"}
            or c.status not in {"in_service", "planned", "removed"}
            or (c.power_type not in {"AC", "DC"} and c.connector_id > 0)
            or c.conflict is not None
        )

    held = {c.account_id for c in connectors if is_faulty(c)} | {t.account_id for t in terms if t.is_quarantined}
    decided = _decide(connectors, terms)
    assert Counter(row[0] for row in _rows(decided)) == Counter(
        c.account_id for c in connectors if c.account_id not in held
    )
    named = {key[0] for key in _counted(decided) if key[1].startswith("fault:")}
    assert named == {c.account_id for c in connectors if is_faulty(c)}


@pytest.mark.parametrize(
    ("rule_id", "connector", "terms"),
    [
        ("STATION-ITSELF", Connector("a", connector_id=0, status="planned", power_type=None), Terms("a")),
        ("NOT-IN-SERVICE", Connector("a", status="planned", scope_status="Closed"), Terms("a", exclude_closed=True)),
        ("NOT-IN-SERVICE", Connector("a", status="removed"), Terms("a", 0, 0)),
        ("SCOPE-CLOSED", Connector("a", scope_status="Closed"), Terms("a", 0, 0, exclude_closed=True)),
        ("SCOPE-PRIVATE", Connector("a", scope_status="Private"), Terms("a", 0, 0, exclude_private=True)),
        ("FEE-ZERO", Connector("a", scope_status="Private"), Terms("a", 0, 0, exclude_closed=True)),
        (None, Connector("a", scope_status="Closed"), Terms("a", exclude_private=True)),
        (None, Connector("a", scope_status="Private"), Terms("a", exclude_closed=True)),
    ],
)
def test_the_first_rule_that_applies_wins(rule_id: str | None, connector: Connector, terms: Terms) -> None:
    """A connector that several rules would exclude is excluded by the first of them."""
    ((*_, rule, _price),) = _rows(_decide([connector], [terms]))
    assert rule == rule_id


def test_every_rule_has_a_case_here() -> None:
    """No rule goes without a test of its own, and ids stand once."""
    (mark,) = test_the_first_rule_that_applies_wins.pytestmark  # type: ignore[attr-defined]
    assert {case[0] for case in mark.args[1]} - {None} == {rule.rule_id for rule in RULES}
    assert len(set(EXCLUDED_BY)) == len(EXCLUDED_BY) == len(RULES) + 1


def test_a_moved_charger_is_billed_where_the_count_came_first() -> None:
    """Auckland counts before Honolulu, so Honolulu's decision is BILLED-ELSEWHERE, whatever the order."""
    connectors = [Connector("honolulu"), Connector("auckland")]
    terms = [Terms("auckland", instant=0), Terms("honolulu", instant=23)]
    assert {row[0]: row[3] for row in _rows(_decide(connectors, terms))} == {
        "auckland": None,
        "honolulu": BILLED_ELSEWHERE,
    }


def test_an_account_that_excludes_a_moved_charger_does_not_keep_it_from_the_other() -> None:
    """Only accounts that would bill a connector count when the earliest is sought."""
    connectors = [Connector("a", scope_status="Closed"), Connector("b", scope_status="Closed")]
    terms = [Terms("a", instant=0, exclude_closed=True), Terms("b", instant=5)]
    assert {row[0]: row[3] for row in _rows(_decide(connectors, terms))} == {"a": "SCOPE-CLOSED", "b": None}


@pytest.mark.parametrize(
    ("reason_id", "connector", "detail"),
    [
        (
            "CONNECTOR-ID-INVALID",
            Connector("a", connector_id=-1),
            "1 connector with no valid connector_id (empty), first x/-1",
        ),
        (
            "SCOPE-UNKNOWN",
            Connector("a", scope_status="Nobody"),
            "1 connector with an unknown scope status ('Nobody'), first x/1",
        ),
        (
            "SCOPE-UNKNOWN",
            Connector("a", scope_status=None),
            "1 connector with an unknown scope status (empty), first x/1",
        ),
        ("STATUS-UNKNOWN", Connector("a", status="broken"), "1 connector with an unknown status ('broken'), first x/1"),
        (
            "POWER-TYPE-UNKNOWN",
            Connector("a", power_type="ac"),
            "1 connector with an unknown power type ('ac'), first x/1",
        ),
        (
            "DUPLICATE-CONNECTOR",
            Connector("a", conflict="duplicate"),
            "1 connector with the same connector twice, first x/1",
        ),
        (
            "CHARGER-ID-TOO-LONG",
            Connector("a", "x" * 301),
            f"1 connector with a charger_id of more than 300 characters, first {'x' * 40}…/1",
        ),
        ("OVERLAPPING-HISTORY", Connector("a", conflict="overlap"), "history rows that overlap in time, first x/1"),
    ],
)
def test_each_fault_is_found_alone_with_its_first_connector(reason_id: str, connector: Connector, detail: str) -> None:
    """One thing wrong gives just that reason, with the value and the connector where it is; a sound one isn't named."""
    decided = _decide([connector, Connector("a", "y", 2), Connector("b", "z" * 300)], [Terms("a"), Terms("b")])
    ((account_id, item, _, said),) = [key for key in _counted(decided) if key[1].startswith("fault:")]
    assert (account_id, item) == ("a", f"fault:{reason_id}")
    assert detail in said
    assert {row[0] for row in _rows(decided)} == {"b"}


def test_every_fault_has_a_case_here() -> None:
    """No fault goes without a test of its own."""
    (mark,) = test_each_fault_is_found_alone_with_its_first_connector.pytestmark  # type: ignore[attr-defined]
    assert {case[0] for case in mark.args[1]} == {fault.reason_id for fault in FAULTS}


def test_several_connectors_at_fault_are_counted_and_the_first_is_named() -> None:
    """First means first by id, so that the words stay the same however the source orders its rows."""
    connectors = [Connector("a", charger, scope_status="Nobody") for charger in ("z", "m", "q")]
    ((_, _, _, said),) = [k for k in _counted(_decide(connectors, [Terms("a")])) if k[1].startswith("fault:")]
    assert said.startswith("3 connectors with an unknown scope status ('Nobody'), first m/1; set one of")


def test_a_station_s_own_connector_needs_no_power_type() -> None:
    """Connector 0 without a power type is no fault."""
    decided = _decide([Connector("a", connector_id=0, power_type=None)], [Terms("a")])
    assert [row[3] for row in _rows(decided)] == ["STATION-ITSELF"]


def test_an_inventory_of_another_run_is_refused() -> None:
    """Connectors of an account that the run doesn't bill are a mistake of the caller's, never skipped."""
    with pytest.raises(ValueError, match="not billed in this run"):
        _decide([Connector("stranger")], [Terms("a")])


def test_an_empty_inventory_has_no_decisions() -> None:
    """A shard without connectors is decided too."""
    decided = _decide([], [Terms("a")])
    assert decided.decisions.num_rows == 0
    assert decided.summary.empty
