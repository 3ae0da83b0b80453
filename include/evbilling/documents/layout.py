"""The parts of a document of any kind: texts as they are printed, in the order of the page. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

# Countries that print on letter paper; all others use A4.
_LETTER = frozenset({"US", "CA", "MX", "PH", "CL", "CO", "VE", "CR", "GT", "NI", "PA", "SV", "PR", "BZ"})

_LONG_WORD = re.compile(r"\S{24,}")
# Overrides, embeddings and isolates of the direction of writing.
_BIDI_CONTROLS = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)))
_ZERO_WIDTH_SPACE = "\u200b"


@dataclass(frozen=True, slots=True)
class Text:
    """A text as printed. One from outside may run from right to left, or have no place to break."""

    text: str
    is_right_to_left: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. `is_number`: right-aligned and as narrow as its text; others share the width.

    With a share of 0 it is as narrow as its text, too.
    """

    title: str
    is_number: bool = False
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose heading is repeated on each page; `foot` is a last row that sums up."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Text, ...], ...]
    foot: tuple[Text, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with sentences and a table below; both may be missing."""

    title: str
    sentences: tuple[Text, ...] = ()
    table: Table | None = None


@dataclass(frozen=True, slots=True)
class Amount:
    """A line of the sums at the head of the document."""

    label: str
    value: str
    is_sum: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A whole document. `number` identifies it and is on every page; `dated` is when it was issued.

    `language` is that of its words, in two letters. `page_of` has `{page}` and `{pages}` where the numbers go.
    """

    title: str
    number: str
    dated: date
    locale: str
    language: str
    page_of: str
    issuer: tuple[Text, ...]
    addressee_label: str
    addressee: tuple[Text, ...]
    facts: tuple[tuple[str, Text], ...]
    notice: str
    amounts: tuple[Amount, ...]
    sections: tuple[Section, ...]

    @property
    def paper(self) -> str:
        """The paper of the locale's country, as Typst names it."""
        return "us-letter" if self.locale.rpartition("_")[2] in _LETTER else "a4"


def external_text(text: str) -> Text:
    """A text from outside, made safe to print: long words may break, and nothing in it controls the layout.

    Control characters become blanks; marks that change the direction of the text around them are left out.
    """
    clean = "".join(
        " " if unicodedata.category(c) in {"Cc", "Cs", "Cn", "Co"} else c for c in text.translate(_BIDI_CONTROLS)
    )
    clean = clean.strip()
    return Text(_LONG_WORD.sub(_breakable, clean), is_right_to_left=_begins_right_to_left(clean))


def own_texts(*texts: str) -> tuple[Text, ...]:
    """Texts of our own."""
    return tuple(Text(text) for text in texts)


def row(*cells: str | Text) -> tuple[Text, ...]:
    """A row of a table; strings are texts of our own."""
    return tuple(cell if isinstance(cell, Text) else Text(cell) for cell in cells)


def external_texts(values: Sequence[str]) -> tuple[Text, ...]:
    """Texts from outside; empty ones are left out."""
    return tuple(external_text(value) for value in values if value.strip())


def _breakable(word: re.Match[str]) -> str:
    """The word with a place to break after every few letters, never before a mark that belongs to the letter."""
    out: list[str] = []
    since = 0
    for character in word[0]:
        joins = unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me", "Mc", "Cf", "Sk"}
        if since >= 8 and not joins and out[-1] != "\u200d":
            out.append(_ZERO_WIDTH_SPACE)
            since = 0
        out.append(character)
        since += 1
    return "".join(out)


def _begins_right_to_left(text: str) -> bool:
    for character in text:
        direction = unicodedata.bidirectional(character)
        if direction == "L":
            return False
        if direction in {"R", "AL"}:
            return True
    return False
