"""Ids that are the same letters and digits in another way of writing are found, and few that aren't."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evbilling.platform.inventory import alike_ids, folded, resembled, visible


def groups(*ids: str) -> list[list[str]]:
    """The groups of alike ids."""
    found = alike_ids(pa.array(ids, pa.string()))
    return [group["id"].tolist() for _, group in found.groupby("group")]


@pytest.mark.parametrize(
    "ids",
    [
        ["FR*S89*P89257*A", "fr*s89*p89257*a", "FRS89P89257A"],
        ["FR*S89P89257*A", "FR*S89*P89257*A"],
        ["DE*ABC*E1234*5678", "DEABCE12345678"],
        ["a", "a "],
        ["a", "a\u200b", "\ufeffa"],
        ["a b", "a\u00a0b", "a-b", "a_b"],
        ["1-1-1", "1.1.1"],
        ["東京-1", "東京1"],
        ["ŽÄ 1", "žä-1"],
        ["A1", "\uff21\uff11"],
        ["stra\u00dfe", "STRA\u1e9eE"],
    ],
)
def test_one_plug_under_several_spellings(ids: list[str]) -> None:
    """Case, separators, blanks, width and what can't be seen make no other id."""
    assert groups(*ids, "another", "an-other-2") == [sorted(ids)]


@pytest.mark.parametrize(
    "ids",
    [
        ["A-1-11", "A-11-1", "A-111"],
        ["***", "---", " "],
        ["a", "á", "b"],
        ["กิ", "ก"],
        ["site-1.10", "site-11.0"],
        [],
        [""],
    ],
)
def test_ids_that_only_look_alike_without_their_separators_are_others(ids: list[str]) -> None:
    """Where digits are separated from digits, the place tells chargers of one site apart."""
    assert groups(*ids) == []


def test_groups_are_in_order_and_a_repeated_id_isnt_alike_to_itself() -> None:
    """The order of rows doesn't change what is told."""
    assert groups("z 1", "b", "B", "b", "Z1") == groups("Z1", "B", "z 1", "b") == [["B", "b"], ["Z1", "z 1"]]


def test_the_account_that_a_text_resembles() -> None:
    """The first three, and none for a text of nothing but blanks."""
    known = pa.array(["ACC-1", "acc 1", "other", "Acc1", "aCC1"])
    assert resembled("acc-1 ", known) == ["ACC-1", "Acc1", "aCC1"]
    assert resembled("nobody", known) == resembled(" \u200b", known) == []


def test_what_cant_be_seen_is_shown() -> None:
    """A blank at the end is within the quotes, other blanks and zero widths by their code; letters stay."""
    assert [visible(text) for text in ("acc-1 ", "acc\u200b", "a\u00a0b", "مرحبا", None)] == [
        "'acc-1 '",
        "'acc\\u200b'",
        "'a\\xa0b'",
        "'مرحبا'",
        "(none)",
    ]


@given(st.lists(st.text(st.characters(max_codepoint=127, categories=["L", "N", "P", "Z", "S", "C"]), max_size=12)))
def test_ascii_is_folded_by_bytes_as_by_arrow_s_kernels(ids: list[str]) -> None:
    """The quick way and the general one are the same; so is a slice of a longer array."""
    quick = folded(pa.array(["x-0", *ids], pa.string())[1:])
    slow = folded(pa.array(["é", *ids], pa.string()))[1:]
    assert quick.to_pylist() == slow.to_pylist()
