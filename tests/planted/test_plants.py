"""Faults planted one at a time into a copy of the project: each must be caught by the test that is named for it.

The gate looks whether each can still be planted; `--full` plants them.
"""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache
from itertools import groupby
from pathlib import Path

import pytest

from tests.support.planted import REPO, Copy, Plant, read_plants

PLANTS = read_plants()
AREAS = {area: list(plants) for area, plants in groupby(PLANTS, key=lambda plant: plant.area)}


@cache
def _tests_in(path: str) -> frozenset[str]:
    """The names of a file's tests."""
    tree = ast.parse((REPO / path).read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_the_table_is_in_order() -> None:
    """At least 80 faults, each once, with a reason, and no fault that is none."""
    assert len(PLANTS) >= 80
    assert {name: count for name, count in Counter(plant.name for plant in PLANTS).items() if count > 1} == {}
    changes = Counter((plant.file, plant.old, plant.new) for plant in PLANTS)
    assert [change for change, count in changes.items() if count > 1] == []
    assert [plant.name for plant in PLANTS if len(plant.why) < 20 or not plant.tests or plant.old == plant.new] == []


@pytest.mark.parametrize("area", AREAS)
def test_each_can_be_planted_and_its_test_is_there(area: str) -> None:
    """Its text is in the present code just once, what comes of it is still Python, and the tests named exist."""
    for plant in AREAS[area]:
        planted = plant.planted()
        if plant.file.endswith(".py"):
            ast.parse(planted)
        for test in plant.tests:
            path, _, name = test.partition("::")
            assert name.partition("[")[0] in _tests_in(path), f"the plant {plant.name} names {test}, which isn't there"


@pytest.fixture(scope="session")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """A copy of the project to plant in."""
    made = Copy.made(tmp_path_factory.mktemp("planted") / "project")
    imported = made.run("-c", "import evbilling, evbilling_web; print(evbilling.__file__, evbilling_web.__file__)")
    places = [Path(place) for place in imported.stdout.split()]
    assert len(places) == 2, imported.stderr
    assert all(place.is_relative_to(made.root) for place in places), "tests of the copy would see the checkout's code"
    return made


@pytest.mark.full
@pytest.mark.parametrize("area", AREAS)
def test_without_a_plant_the_tests_pass(copy: Copy, area: str) -> None:
    """Otherwise a test would seem to catch what it doesn't see."""
    assert copy.failures(sorted({test for plant in AREAS[area] for test in plant.tests})) == []


@pytest.mark.full
@pytest.mark.parametrize("plant", PLANTS, ids=str)
def test_a_planted_fault_is_caught(copy: Copy, plant: Plant) -> None:
    """One of the tests named for it fails, in its own words."""
    with copy.planted(plant):
        assert copy.failures(plant.tests), f"nobody notices {plant.name}: {plant.why}"
