"""Typed texts that are kept for ever: words pass, what nobody should keep doesn't."""

from __future__ import annotations

import pytest

from evbilling.errors import BadInput
from evbilling.typed_text import LONGEST, fault_in, require_text


@pytest.mark.parametrize(
    "text",
    [
        "paid by transfer",
        "bank 4711, 2026-11-05",
        "first line\nsecond\tline",
        "\N{HEBREW LETTER SHIN}\N{HEBREW LETTER LAMED} \N{RIGHT-TO-LEFT MARK}!",
        "RF18 5390 0754 7034",
        "DE89 3704 0044 0532 0130 00",
        "DE89370400440532013000",
        "pi_3QXabc1234567890",
        "pi_a4242424242424242bcdef0",
        # Luhn's digit is wrong.
        "4242424242424241",
        "424242424242",
        "x" * LONGEST,
    ],
)
def test_words_and_references_pass(text: str) -> None:
    """What people write about a payment, bank references and accounts included."""
    assert fault_in(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "4242424242424242",
        "4242 4242 4242 4242",
        "4242-4242-4242-4242",
        "4242.4242.4242.4242",
        "card 3782 822463 10005, exp 11/27",
        "4222222222222",
        "6304000000000000000",
        "card4242424242424242",
        "pi_4242424242424242",
        "12 4242 4242 4242 4242",
        "4242\u00a04242\u20134242 4242",
        "".join(chr(ord("\N{ARABIC-INDIC DIGIT ZERO}") + int(digit)) for digit in "4242424242424242"),
    ],
)
def test_a_card_number_is_refused(text: str) -> None:
    """However it is written, and whatever is around it."""
    assert fault_in(text) == "has what looks like a card number, and none may be kept here"


@pytest.mark.parametrize("text", ["a\x00b", "a\x1b[31m", "\x7f", "\x85", "\ud800", "a\rb"])
def test_a_control_character_is_refused(text: str) -> None:
    """It would change what a log or a terminal shows."""
    assert fault_in(text) == "has a control character"


@pytest.mark.parametrize("letter", ["\u202e", "\u202a", "\u2066", "\u2069"])
def test_what_reorders_text_is_refused(letter: str) -> None:
    """It would make a text read otherwise than it is."""
    assert fault_in(f"paid {letter} 001") == "has a character that changes the order of the text around it"


def test_a_long_text_is_refused_with_its_length() -> None:
    """At once, however long it is."""
    assert fault_in("9 " * 1_000_000) == "has 2,000,000 characters; at most 1,000 are kept"


def test_the_message_names_the_text_and_what_to_do() -> None:
    """A blank one is missing; one with a fault is named with it."""
    with pytest.raises(BadInput, match=r"here: no reason is given\n  -> say why"):
        require_text("reason", " \n", "here", missing="say why")
    with pytest.raises(BadInput, match=r"here: the reason has a control character\n  -> take it out"):
        require_text("reason", "a\x00b", "here", missing="say why")
    require_text("reason", "because", "here", missing="say why")
