"""Which request meets which fault: repeatable, and independent of who comes first."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evbilling.cli.main import main
from evbilling.errors import BadInput
from evbilling_local.sandbox.faults import FAULTS, Dice, FaultPlan, draw, plan_from_json

RATES = {"timeout_after": 0.1, "drop_after": 0.05, "error_500_after": 0.05, "rate_limit": 0.1}


def faults_by_key(plan: FaultPlan, keys: list[str]) -> dict[str, list[str | None]]:
    dice = Dice(plan)
    met: dict[str, list[str | None]] = {}
    for key in keys:
        met.setdefault(key, []).append(dice.next_fault(key, is_charge=True, is_read=False))
    return met


@given(st.integers(0, 1000), st.randoms(use_true_random=False))
def test_faults_dont_depend_on_the_order_of_arrival(seed: int, shuffler: random.Random) -> None:
    plan = FaultPlan(seed=seed, rates=RATES)
    keys = [f"key-{number % 7}" for number in range(21)]
    shuffled = keys.copy()
    shuffler.shuffle(shuffled)
    assert faults_by_key(plan, keys) == faults_by_key(plan, shuffled)


def test_another_seed_gives_other_faults() -> None:
    keys = [f"key-{number}" for number in range(200)]
    assert faults_by_key(FaultPlan(seed=1, rates=RATES), keys) != faults_by_key(FaultPlan(seed=2, rates=RATES), keys)


def test_rates_are_met() -> None:
    plan = FaultPlan(rates=RATES)
    met = Counter(draw(plan, f"key-{number}", 1) for number in range(20_000))
    for name, rate in RATES.items():
        assert met[name] == pytest.approx(20_000 * rate, rel=0.1)
    assert met[None] == pytest.approx(14_000, rel=0.05)
    assert set(met) == {*RATES, None}


def test_a_rate_of_one_meets_everything() -> None:
    assert all(draw(FaultPlan(rates={name: 1.0}), "key", number) == name for name in FAULTS for number in range(50))


def test_the_sequence_comes_first_and_then_the_rates() -> None:
    dice = Dice(FaultPlan(rates={"slow": 1.0}, sequence=("drop_after", None)))
    assert dice.next_fault("/v1/payment_intents", is_charge=False, is_read=True) is None
    assert dice.as_json()["sequence"] == ["drop_after", None]
    met = [dice.next_fault("key", is_charge=True, is_read=False) for _ in range(3)]
    assert met == ["drop_after", None, "slow"]


@pytest.mark.parametrize(
    ("on", "charge", "read", "other"), [("charges", 1, 0, 0), ("reads", 0, 1, 0), ("all", 1, 1, 1)]
)
def test_faults_meet_only_what_they_are_on(on: str, charge: int, read: int, other: int) -> None:
    dice = Dice(FaultPlan(rates={"slow": 1.0}, on=on))
    kinds = [(True, False), (False, True), (False, False)]
    met = [dice.next_fault("key", is_charge=is_charge, is_read=is_read) for is_charge, is_read in kinds]
    assert [fault is not None for fault in met] == [bool(charge), bool(read), bool(other)]


@pytest.mark.parametrize(
    "data",
    [
        [],
        {"rate": {}},
        {"rates": {"explode": 0.1}},
        {"rates": {"slow": 1.5}},
        {"rates": {"slow": -0.1}},
        {"rates": {"slow": 0.6, "nonsense": 0.6}},
        {"rates": {"slow": float("nan")}},
        {"rates": 3},
        {"sequence": ["explode"]},
        {"sequence": [3]},
        {"sequence": 3},
        {"hold_seconds": -1},
        {"hold_seconds": "soon"},
        {"on": "mondays"},
    ],
)
def test_plans_that_make_no_sense_are_refused(data: Any) -> None:
    with pytest.raises(BadInput):
        plan_from_json(data)


def test_a_plan_comes_back_as_it_was_sent() -> None:
    plan = FaultPlan(7, RATES, ("drop_after", None), 0.5, 0.25, "all")
    assert plan_from_json(plan.as_json()) == plan
    assert plan_from_json({}) == FaultPlan()


def test_the_command_s_help_names_every_fault(capsys: pytest.CaptureFixture[str]) -> None:
    """The list is written out there, so that the command line needn't load the sandbox."""
    with pytest.raises(SystemExit):
        main(["sandbox", "--help"])
    shown = capsys.readouterr().out.partition("meet a fault:")[2].partition("--hold")[0]
    assert shown.replace(",", " ").split() == list(FAULTS)
