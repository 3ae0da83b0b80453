"""Keyset paging: a page is found by the key of the row where another ended, so its cost doesn't depend on its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Rows in order, and whether there are more before and after them."""

    rows: list[T]
    has_earlier: bool
    has_later: bool


def make_page(found: Sequence[T], size: int, *, is_first: bool, backwards: bool = False) -> Page[T]:
    """The page of the first `size` rows of `found`, which was read up to one row further.

    `found` begins after a key, or at the start of the list if `is_first`. If `backwards`, it was read from a key
    towards the start.
    """
    rows, is_more = list(found[:size]), len(found) > size
    if backwards:
        return Page(rows[::-1], has_earlier=is_more, has_later=True)
    return Page(rows, has_earlier=not is_first, has_later=is_more)


def all_rows(read: Callable[[K | None], Sequence[T]], key: Callable[[T], K]) -> Iterator[T]:
    """The rows of all pages; `read` returns the page after a key (None: the first page), `key` is that of a row."""
    after: K | None = None
    while page := read(after):
        yield from page
        after = key(page[-1])
