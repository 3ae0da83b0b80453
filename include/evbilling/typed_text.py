"""Texts that people type and that are kept for ever, such as reasons and references: what they may hold. Pure."""

from __future__ import annotations

import re

from evbilling.errors import BadInput

LONGEST = 1_000

# They change the order in which the text around them is read.
_REORDERS = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
# Between the groups of a card's number: a blank, a dash or a dot.
_GAP = re.compile(r"[ .\u00a0\u2010-\u2014-]{1,2}")
# Digits of any script, in groups.
_NUMBERS = re.compile(rf"\d+(?:{_GAP.pattern}\d+)*")
# The id of a payment at the gateway, the reference by which it is booked: letters and digits drawn by lot, some of them
# like a card's number.
_PAYMENT_ID = re.compile(r"\b(?:pi|ch|py)_(?=[0-9]*[A-Za-z])[0-9A-Za-z]{14,}\b")
_CARD_DIGITS = range(13, 20)
_CARD_GROUPS = {(4, 4, 4, 4), (4, 4, 4, 4, 1), (4, 4, 4, 4, 2), (4, 4, 4, 4, 3), (4, 6, 5), (4, 6, 4)}


def is_control(letter: str) -> bool:
    """True for a control character other than tab and line break, and for half a character (a lone surrogate)."""
    return (letter < " " and letter not in "\n\t") or "\x7f" <= letter <= "\x9f" or "\ud800" <= letter <= "\udfff"


def fault_in(text: str, longest: int = LONGEST) -> str | None:
    """What a text has that it may not have, to follow its name ("the reason …"); None if it has nothing of it."""
    if len(text) > longest:
        return f"has {len(text):,} characters; at most {longest:,} are kept"
    if any(map(is_control, text)):
        return "has a control character"
    if _REORDERS.search(text):
        return "has a character that changes the order of the text around it"
    if _has_card_number(text):
        return "has what looks like a card number, and none may be kept here"
    return None


def require_text(name: str, text: str, where: str, *, missing: str) -> None:
    """Return if a text is given that may be kept; raise `BadInput` otherwise. `missing` says what to give."""
    if not text.strip():
        raise BadInput(f"no {name} is given", where=where, fix=missing)
    if fault := fault_in(text.strip()):
        raise BadInput(f"the {name} {fault}", where=where, fix="take it out")


def _has_card_number(text: str) -> bool:
    """True if numbers are a card's: one alone, all in a row together, or some of them that are grouped as on a card."""
    text = _PAYMENT_ID.sub("", text)
    for found in _NUMBERS.finditer(text):
        groups = _GAP.split(found[0])
        alone = any(map(_is_card_number, groups))
        # The first digits of a bank's reference (RF18 5390 …) belong to the letters before them.
        row = groups[1:] if text[: found.start()][-1:].isalpha() else groups
        parts = [row[n : n + size] for size in (3, 4, 5) for n in range(len(row))]
        like_cards = [part for part in parts if tuple(map(len, part)) in _CARD_GROUPS]
        if alone or any(_is_card_number("".join(part)) for part in (row, *like_cards)):
            return True
    return False


def _is_card_number(digits: str) -> bool:
    if len(digits) not in _CARD_DIGITS:
        return False
    # Luhn: every second digit from the right counts double, its own digits added up.
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(number - 9 if number > 9 else number for number in doubled) % 10 == 0
