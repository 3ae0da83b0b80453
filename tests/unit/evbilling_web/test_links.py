"""An account's id in an address: there and back, whatever is in it, and never a way to another page."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evbilling_web.links import account_id_of, account_path

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(_TEXTS)
def test_there_and_back(account_id: str) -> None:
    """No character that a server, a proxy or a browser takes for more than a letter."""
    place = account_path(account_id)
    assert re.fullmatch(r"/accounts/[A-Za-z0-9._~-]+", place)
    part = place.removeprefix("/accounts/")
    assert part.strip(".")
    assert account_id_of(part) == account_id


@pytest.mark.parametrize(
    ("account_id", "place"),
    [
        ("blink-network-az", "/accounts/blink-network-az"),
        ("c/4", "/accounts/c~2F4"),
        ("..", "/accounts/~2E~2E"),
        ("~2F", "/accounts/~7E2F"),
        ("ä ", "/accounts/~C3~A4~20"),
    ],
)
def test_what_it_looks_like(account_id: str, place: str) -> None:
    assert account_path(account_id) == place


@pytest.mark.parametrize("part", ["ä b", "~", "~2f", "~FF", "100~"])
def test_what_is_not_written_so_is_taken_as_it_stands(part: str) -> None:
    assert account_id_of(part) == part
